import { realpath, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { codeOf } from '../../../db/error-code.ts'

/** What became of a file that was to be made. */
export type Created =
  | { readonly outcome: 'wrote' }
  | { readonly outcome: 'exists' }
  /** It could not be made, and why. */
  | { readonly outcome: 'failed'; readonly reason: string }

/**
 * Makes a file in `folder`, or in a folder below it that is there. What has its name already, whatever it is, stays as it
 * is, and nothing is written through a link that leads out of the folder.
 */
export async function createFile(folder: string, name: string, text: string): Promise<Created> {
  const path = join(folder, name)
  try {
    const inside = relative(await realpath(folder), await realpath(dirname(path)))
    if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
      return { outcome: 'failed', reason: 'a link leads out of this folder' }
    // Fails where anything has the name, a link to nowhere too.
    await writeFile(path, text, { flag: 'wx' })
    return { outcome: 'wrote' }
  } catch (error) {
    const code = codeOf(error)
    return code === 'EEXIST' ? { outcome: 'exists' } : { outcome: 'failed', reason: code ?? 'unknown error' }
  }
}
