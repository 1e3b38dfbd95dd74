import { createInterface } from 'node:readline/promises'
import { ConfigError } from '../config/environment.ts'
import { inert } from './terminal-text.ts'

/**
 * Names the hosts of a database that is not on this machine and asks whether to go on. Throws a ConfigError where there is
 * nobody to ask, or the answer is anything but yes.
 */
export async function confirmRemoteDatabase(
  hosts: readonly string[],
  { stdin, stdout }: Pick<NodeJS.Process, 'stdin' | 'stdout'>
): Promise<void> {
  if (stdin.isTTY !== true || stdout.isTTY !== true)
    throw new ConfigError(['--remote-database: asks first, and there is no terminal to ask on'])
  const questions = createInterface({ input: stdin, output: stdout })
  // Ctrl-C and Ctrl-D are no answer.
  const closed = new Promise<string>((resolve) => questions.once('close', () => resolve('')))
  questions.once('SIGINT', () => questions.close())
  const question = `The database is on ${hosts.map((host) => inert(host)).join(' and ')}, not on this machine. Its users are real, and what you do here is done to them. Go on? (yes/no) `
  const answer = await Promise.race([questions.question(question), closed])
  questions.close()
  if (answer.trim().toLowerCase() !== 'yes') throw new ConfigError(['--remote-database: was not confirmed with yes'])
}
