import { join } from 'node:path'
import { errorLines, explainFailure, isTransientFailure } from '../packer/failures.mts'
import { type ErrorDetails, exitCodes, interrupted, ProxmintError } from '../run/errors.mts'
import { type CommandPlan, runCommand } from '../run/exec.mts'
import { openLog } from '../run/log-file.mts'
import { say, withProgress } from '../run/progress.mts'

/** @throws ProxmintError (invalid) with Packer's own words and their cause, if it is known. */
export async function validateWithPacker(os: string, plan: CommandPlan, signal: AbortSignal): Promise<void> {
  const { code, stdout, stderr } = await runCommand(plan, { signal })
  if (signal.aborted) throw interrupted(`packer validate ${os}`)
  if (code === 0) return
  const output = `${stdout}\n${stderr}`.split('\n').filter(line => line.trim() !== '')
  const known = explainFailure(output)
  throw new ProxmintError(`packer validate ${os} failed:\n${output.map(line => `  ${line}`).join('\n')}`, {
    facts: { why: known?.why },
    hint: known?.hint,
    exitCode: exitCodes.invalid,
  })
}

/** Failure of `packer build`. */
export class PackerError extends ProxmintError {
  /** Whether the same build can succeed a little later. */
  readonly isTransient: boolean

  constructor(message: string, details: ErrorDetails, isTransient: boolean) {
    super(message, details)
    this.isTransient = isTransient
  }
}

interface PackerProcess {
  os: string
  plan: CommandPlan
  /** Folder of the logs. */
  logFolder: string
  /** First lines of the log, above those of Packer. */
  notes: string[]
  vmid: number
  onStart(pid: number): Promise<void>
}

/**
 * Runs `packer build`. Its log goes into a file, and its last line stands under a progress line.
 * @returns the log's path.
 * @throws PackerError with the end of the log and the cause, if it is known.
 */
export async function buildWithPacker(run: PackerProcess, signal: AbortSignal): Promise<string> {
  const { os, plan, logFolder, notes, vmid, onStart } = run
  using log = openLog(join(logFolder, `build-${os}-${vmid}.log`))
  for (const note of notes) log.write(note)
  try {
    await withProgress(`packer build ${os}, VM ${vmid}`, async progress => {
      const onLine = (line: string): void => {
        log.write(line)
        progress.update(line)
      }
      const { code } = await runCommand(plan, { signal, onStart, onLine })
      if (signal.aborted) throw interrupted(`packer build ${os}`)
      if (code !== 0) throw buildFailed(os, log.path, log.lines.slice(notes.length), code)
    })
  } finally {
    if (log.failure !== undefined) say(`warning: the log is incomplete: ${log.failure.message}`)
  }
  return log.path
}

function buildFailed(os: string, path: string, lines: string[], code: number): PackerError {
  const known = explainFailure(lines)
  return new PackerError(
    `packer build ${os} failed (exit code ${code}):\n${errorLines(lines)
      .map(line => `  ${line}`)
      .join('\n')}`,
    {
      facts: { why: known?.why, log: path },
      hint: known?.hint ?? `the whole log is in ${path}`,
      exitCode: known?.exitCode,
    },
    isTransientFailure(lines),
  )
}
