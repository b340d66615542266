import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeFailed } from './atomic-file.mts'
import type { ProxmintError } from './errors.mts'
import { printable } from './printable.mts'

/** File that receives a command's output line by line, so that it is readable after a crash. */
interface LogFile extends Disposable {
  readonly path: string
  /** All lines, also those that did not reach the file. */
  readonly lines: string[]
  /** First write error, such as a full disk. It does not stop the work. */
  failure: ProxmintError | undefined
  write(line: string): void
}

/** Creates or empties the file. @throws ProxmintError If that fails. */
export function openLog(path: string): LogFile {
  let file: number | undefined = create(path)
  return {
    path,
    lines: [],
    failure: undefined,
    write(text) {
      const line = printable(text)
      this.lines.push(line)
      // The system reuses the number of a closed file, also for a socket.
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
