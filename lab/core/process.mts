/** Runs programs. */

import { spawn } from 'node:child_process'
import { LabError } from './lab-error.mts'

interface RunOptions {
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Hint for the case that the program is not installed. */
  missing?: string
}

/**
 * Runs a program to its end and returns its standard output.
 * @throws {LabError} if it is not installed and `missing` is given.
 * @throws {Error} with the last eight lines of its output if it fails.
 */
export function run(file: string, args: string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: options.env, cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', chunk => {
      output += chunk
    })
    child.stderr.on('data', chunk => {
      errors += chunk
    })
    child.on('error', error => reject(startFailure(file, error, options.missing)))
    child.on('close', code => {
      if (code === 0) resolve(output)
      else reject(new Error(`${file} ended with ${code}: ${lastLines(errors || output)}`))
    })
  })
}

function startFailure(file: string, error: Error, missing: string | undefined): Error {
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
  if (absent && missing) return new LabError(`${file} is not installed`, missing, error)
  return new Error(`${file} could not be started: ${error.message}`, { cause: error })
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-8).join('\n')
}
