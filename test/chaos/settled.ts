import { until } from '../support/until.ts'
import { channelIsBackMs, closingLimitMs, type Times } from './bounds.ts'
import type { Judge } from './judge.ts'
import type { Model } from './model.ts'
import { ask } from './probes.ts'
import type { Sockets } from './sockets.ts'
import type { World } from './world.ts'

/** Once nothing is wrong any more, everything is as it should be. */
export async function settled(world: World, model: Model, judge: Judge, sockets: Sockets, times: Times): Promise<void> {
  for (const replica of world.replicas) {
    await until(async () => (await replica.degraded()).length === 0, channelIsBackMs).catch(() =>
      judge.find('a gateway is still degraded')
    )
    for (const session of [...model.alive, ...model.over]) judge.judge(await ask(replica, session, '/me'))
  }
  await until(() => sockets.outliving === 0, closingLimitMs(times)).catch(() =>
    judge.find(`${sockets.outliving} WebSockets outlive their sessions`)
  )
  for (const [index, replica] of world.replicas.entries()) {
    for (const complaint of replica.complaints) judge.find(`gateway ${index} complained: ${complaint.slice(0, 500)}`)
    if (!replica.isAlive()) judge.find(`gateway ${index} is gone`)
  }
}
