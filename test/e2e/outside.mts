/** Commands run where a person sits: outside the lab's network, where a test's own servers can be reached. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { ExecResult } from '../../lab/create.mts'
import { repository, type Workspace } from './workspace.mts'

export interface OutsideOptions {
  /** Added to the workspace's variables. */
  env?: NodeJS.ProcessEnv
  /** Written to standard input, which is empty otherwise. */
  input?: string
}

/** Runs `zx scripts/NAME.mts ARGS` from the workspace; guests are out of reach. */
export function zxOutside(
  workspace: Workspace,
  name: string,
  args: string[],
  options: OutsideOptions = {},
): Promise<ExecResult> {
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  // By this very Node.js, so that a test can take PATH away.
  return run(workspace, [process.execPath, zx, join(repository, `scripts/${name}.mts`), ...args], options)
}

/** Runs any program from the workspace. */
export function run(
  workspace: Workspace,
  [file, ...args]: string[],
  { env, input }: OutsideOptions = {},
): Promise<ExecResult> {
  const child = spawn(file!, args, {
    cwd: workspace.folder,
    env: { ...process.env, ...workspace.env, ...env },
  })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', chunk => {
      output[stream] += chunk
    })
  }
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, ...output }))
  })
}
