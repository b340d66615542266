import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeFailed } from './atomic-file.mts'
import type { ProxmintError } from './errors.mts'

/** A file that takes a command's output line by line, as it comes: readable also after a crash. */
export interface LogFile extends Disposable {
  readonly path: string
  /** Everything written, also what did not reach the file. */
  readonly lines: string[]
  /** Set when the disk became full: no reason to break off the work the log is about. */
  failure: ProxmintError | undefined
  write(line: string): void
}

/** @throws ProxmintError when the file cannot be made. */
export function openLog(path: string): LogFile {
  const file = create(path)
  return {
    path,
    lines: [],
    failure: undefined,
    write(line) {
      this.lines.push(line)
      try {
        writeSync(file, `${line}\n`)
      } catch (cause) {
        this.failure ??= writeFailed(path, cause)
      }
    },
    [Symbol.dispose]: () => closeSync(file),
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
