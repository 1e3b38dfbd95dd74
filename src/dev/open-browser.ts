import { spawn } from 'node:child_process'

/** Opens an address in the browser; `onProblem` is told where that cannot be done. */
export function openBrowser(
  url: string,
  { platform, env }: Pick<NodeJS.Process, 'platform' | 'env'>,
  onProblem: (problem: string) => void
): void {
  const command = platform === 'darwin' ? 'open' : 'xdg-open'
  const problem = () => onProblem(`--open: ${command} could not open a browser. Open ${url} yourself.`)
  const browser = spawn(command, [url], { env, stdio: 'ignore', detached: true })
  browser.once('error', problem)
  browser.once('exit', (code) => {
    if (code !== 0) problem()
  })
  browser.unref()
}
