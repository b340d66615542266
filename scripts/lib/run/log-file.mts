import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeFailed } from './atomic-file.mts'
import type { ProxmintError } from './errors.mts'

/** A file that takes a command's output line by line, as it comes: readable also after a crash. */
interface LogFile extends Disposable {
  readonly path: string
  /** Everything written, also what did not reach the file. */
  readonly lines: string[]
  /** Set when the disk became full: no reason to break off the work the log is about. */
  failure: ProxmintError | undefined
  write(line: string): void
}

/** @throws ProxmintError when the file cannot be made. */
export function openLog(path: string): LogFile {
  let file: number | undefined = create(path)
  return {
    path,
    lines: [],
    failure: undefined,
    write(line) {
      this.lines.push(line)
      // The number of a file that was closed is the one of the next that is opened, be it a socket.
      if (file === undefined) return
      try {
        writeSync(file, `${line}\n`)
      } catch (cause) {
        this.failure ??= writeFailed(path, cause)
      }
    },
    [Symbol.dispose]() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}

function create(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'w', 0o600)
  } catch (cause) {
    throw writeFailed(path, cause)
  }
}
