import { closeSync, constants, fchmodSync, openSync, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { writeFailed } from './atomic-file.mts'
import { ProxmintError } from './errors.mts'
import { printable } from './printable.mts'
import { privateFolder } from './private-folder.mts'

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants

/** File that receives a command's output line by line, so that it is readable after a crash. */
interface LogFile extends Disposable {
  readonly path: string
  /** All lines, also those that did not reach the file. */
  readonly lines: string[]
  /** First write error, such as a full disk. It does not stop the work. */
  failure: ProxmintError | undefined
  write(line: string): void
}

/** Creates or empties the file, in a folder of the state folder. @throws ProxmintError If that fails, or if one is a link. */
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
    const folder = dirname(path)
    privateFolder(dirname(folder), basename(folder))
    const file = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
    fchmodSync(file, 0o600)
    return file
  } catch (cause) {
    throw cause instanceof ProxmintError ? cause : writeFailed(path, cause)
  }
}
