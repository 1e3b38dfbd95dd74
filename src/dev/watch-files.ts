import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

// Editors write a file in several steps, and some put a new one in the place of the old.
const settleMs = 120
// Where the system tells nothing: network drives, folders shared with a virtual machine.
const lookAgainMs = 2_000

/** Whether a file with these contents counts: one that does not is as good as none. */
type Counts = (file: string, text: string) => boolean

export interface FileWatch {
  /** Watches these files from now on, those that do not exist yet included. */
  watch(files: readonly string[]): Promise<void>
  close(): void
}

/**
 * Tells which of the watched files have other contents than before, came or went. Their folders are watched, so that a
 * file which is replaced is watched on, and their contents compared, so that saving the same again is no change.
 */
export function watchFiles(onChange: (changed: string[]) => void, counts: Counts = () => true): FileWatch {
  const contents = new Map<string, string>()
  const folders = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function soon(): void {
    clearTimeout(timer)
    if (!closed) timer = setTimeout(look, settleMs)
  }

  async function look(): Promise<void> {
    const changed: string[] = []
    for (const [file, before] of [...contents]) {
      const now = await contentsOf(file, counts)
      if (now === before || contents.get(file) !== before) continue
      contents.set(file, now)
      changed.push(file)
    }
    if (!closed && changed.length > 0) onChange(changed)
    for (const file of contents.keys()) watchFolder(dirname(file))
  }

  function watchFolder(folder: string): void {
    if (closed || folders.has(folder)) return
    try {
      const watcher = watch(folder, (_event, name) => {
        const isWatched = [...contents.keys()].some((file) => dirname(file) === folder && basename(file) === name)
        if (name === null || isWatched) soon()
      })
      folders.set(folder, watcher)
      // It was removed, or there are more watches than the system allows: what is left is to look again and again.
      watcher.on('error', () => {
        watcher.close()
        folders.delete(folder)
      })
    } catch {
      // It does not exist.
    }
  }

  const lookAgain = setInterval(look, lookAgainMs)
  lookAgain.unref()

  return {
    async watch(files) {
      const wanted = new Set(files)
      for (const file of [...contents.keys()]) if (!wanted.has(file)) contents.delete(file)
      for (const file of wanted) {
        if (contents.has(file)) continue
        contents.set(file, await contentsOf(file, counts))
        watchFolder(dirname(file))
      }
      for (const [folder, watcher] of folders)
        if (![...wanted].some((file) => dirname(file) === folder)) {
          watcher.close()
          folders.delete(folder)
        }
    },
    close() {
      closed = true
      clearTimeout(timer)
      clearInterval(lookAgain)
      for (const watcher of folders.values()) watcher.close()
    }
  }
}

/** What stands for the contents of a file; empty where there is none, or none that counts. */
async function contentsOf(file: string, counts: Counts): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    return counts(file, text) ? createHash('sha256').update(text).digest('base64') : ''
  } catch {
    return ''
  }
}
