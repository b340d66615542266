import { rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { $, type Options, type ProcessPromise, quote } from 'zx/core'
import { createLab, type Lab } from '../../../lab/create.mts'
import { makeProject } from '../journey/project-folder.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { exitCodes, interrupted, ProxmintError } from '../run/errors.mts'
import { command, describeCommand } from '../run/exec.mts'

/** What every step of the demonstration works with. */
export interface Demo {
  lab: Lab
  root: ProxmoxClient
  /** A repository as a user has it: its own config, secrets and templates. */
  workspace: string
  output: Writable
  signal: AbortSignal
}

const repository = resolve(import.meta.dirname, '../../..')
export const image = 'debian-12'

export async function prepareWorkspace(): Promise<string> {
  const workspace = join(repository, '.proxmint/demo')
  await rm(workspace, { recursive: true, force: true })
  await makeProject(repository, workspace)
  return workspace
}

export async function startLab(output: Writable, guests: 'sim' | 'qemu'): Promise<Lab> {
  const onProgress = (line: string): void => void output.write(`${line}\n`)
  const lab = await createLab({ onProgress, guests, images: [image], chain: true })
  output.write(`${lab.url}\n`)
  return lab
}

export function labConfig({ imagesUrl }: Lab): string {
  // The family with libpam-web3 has a base VM of its own, from the same image.
  const images = [image, `${image}-web3`].flatMap(name => [
    `  ${name}:`,
    `    url: ${imagesUrl}/debian-12-genericcloud-amd64.qcow2`,
    `    checksums_url: ${imagesUrl}/SHA512SUMS`,
  ])
  // A real machine that is emulated on a busy one boots for minutes.
  return ['site: demo', 'test_boot_timeout_seconds: 1800', 'images:', ...images, ''].join('\n')
}

/** Shows a command, runs it and waits for its end. @throws ProxmintError when it ends otherwise than expected. */
export type Shell = (...typed: Parameters<typeof command>) => Promise<void>

/** A shell of the demonstration: in the lab's network, in the workspace, with the user's own streams. */
export function shell(
  demo: Demo,
  { input, expectedCode = 0, env }: { input?: string; expectedCode?: number; env?: NodeJS.ProcessEnv } = {},
): Shell {
  return async (...typed) => {
    const plan = command(...typed)
    const line = describeCommand(plan)
    demo.output.write(`$ ${line}\n`)
    const running = inLab(demo, [plan.file, ...plan.args], {
      cwd: demo.workspace,
      env: { ...environment(demo.workspace), ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', demo.output, 'inherit'],
      ...(input !== undefined && { input }),
    })
    const stop = (): void => void running.child?.kill('SIGINT')
    demo.signal.addEventListener('abort', stop, { once: true })
    const { exitCode, cause } = await running
    demo.signal.removeEventListener('abort', stop)
    if (demo.signal.aborted) throw interrupted('demo')
    if (cause) throw cause
    const code = exitCode ?? exitCodes.interrupted
    if (code === expectedCode) return
    const hint = 'its own words are above'
    throw new ProxmintError(`${line} ended with ${code}, not ${expectedCode}`, { hint })
  }
}

/** zx's `$` for a program in the lab's network; its exit code is a result, not an error. */
export function inLab({ lab }: Demo, argv: string[], options: Partial<Options>): ProcessPromise {
  const spawn = ((_command, _args, settings) =>
    lab.spawn(argv, { ...settings, shell: false })) as Options['spawn']
  // A variable `ZX_...` of the user's shell changes none of these.
  const pinned = { quote, nothrow: true, quiet: true, timeout: 0, detached: false, preferLocal: false }
  return $({ ...pinned, cwd: process.cwd(), ...options, spawn })`${argv}`
}

/** The credentials come from the SOPS file, as a user's do, and from nowhere else. */
function environment(workspace: string): NodeJS.ProcessEnv {
  const variables = ['URL', 'USERNAME', 'TOKEN', 'API_TOKEN', 'NODE', 'STORAGE_POOL', 'PASSWORD', 'CA_FILE']
  variables.push('SSH_USER', 'SSH_PRIVATE_KEY', 'SSH_ADDRESS')
  return {
    ...Object.fromEntries(variables.map(name => [`PROXMOX_${name}`, ''])),
    PROXMINT_CONFIG: join(workspace, 'config/proxmint.yaml'),
    PROXMINT_STATE_DIR: join(workspace, '.proxmint'),
    PKR_VAR_ssh_timeout: '30m',
    // The provider keeps the host keys of nodes there, and every lab has another.
    HOME: workspace,
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    SOPS_AGE_KEY_FILE: join(workspace, 'age-identity.txt'),
  }
}
