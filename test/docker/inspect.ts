import * as z from 'zod'
import { docker, type Stack } from './stack.ts'

const Containers = z.array(
  z.object({
    Config: z.object({ User: z.string(), Labels: z.object({ 'com.docker.compose.service': z.string() }) }),
    HostConfig: z.object({
      ReadonlyRootfs: z.boolean(),
      CapDrop: z.array(z.string()),
      SecurityOpt: z.array(z.string())
    }),
    NetworkSettings: z.object({
      Ports: z.record(z.string(), z.array(z.object({ HostIp: z.string(), HostPort: z.string() })).nullable()),
      Networks: z.record(z.string(), z.object({ IPAddress: z.string() }))
    }),
    State: z.object({ Status: z.string(), ExitCode: z.number() })
  })
)

/** Every container of the stack, those that have ended too. */
export async function inspect(stack: Stack) {
  const containers = Containers.parse(JSON.parse(await docker('inspect', ...(await stack.containers()))))
  return containers.map(({ Config, HostConfig, NetworkSettings, State }) => ({
    service: Config.Labels['com.docker.compose.service'],
    user: Config.User,
    ...HostConfig,
    published: Object.entries(NetworkSettings.Ports).flatMap(([port, hosts]) =>
      (hosts ?? []).map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}->${port}`)
    ),
    addresses: Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress),
    state: State.Status,
    exitCode: State.ExitCode
  }))
}

/** The service's first address. Throws where it has none. */
export async function addressOf(stack: Stack, service: string): Promise<string> {
  const address = (await inspect(stack)).find((container) => container.service === service)?.addresses[0]
  if (!address) throw new Error(`${service} has no address`)
  return address
}
