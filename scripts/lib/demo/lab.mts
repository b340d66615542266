import { cp, mkdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { createLab, type Lab } from '../../../lab/create.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { exitCodes, interrupted, ProxmintError } from '../run/errors.mts'

/** What every step of the demonstration works with. */
export interface Demo {
  lab: Lab
  root: ProxmoxClient
  /** A repository as a user has it: its own config, secrets and templates. */
  workspace: string
  output: Writable
  signal: AbortSignal
}

/** Runs a piece of the demonstration under its name, and measures it. */
export type Step = <T>(name: string, work: () => Promise<T>) => Promise<T>

const repository = resolve(import.meta.dirname, '../../..')
export const image = 'debian-12'

export async function prepareWorkspace(): Promise<string> {
  const workspace = join(repository, '.proxmint/demo')
  await rm(workspace, { recursive: true, force: true })
  await mkdir(join(workspace, 'config'), { recursive: true, mode: 0o700 })
  for (const folder of ['packer', 'terraform', 'cloud-init']) {
    await cp(join(repository, folder), join(workspace, folder), { recursive: true })
  }
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

/** Runs one of our commands in the lab's network, from the workspace, with the user's own streams. */
export async function command(
  { lab, workspace, output, signal }: Demo,
  [name, ...args]: string[],
  { input, expectedCode = 0, env }: { input?: string; expectedCode?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<void> {
  output.write(`$ zx scripts/${name}.mts ${args.join(' ')}\n`)
  const child = lab.spawn(['zx', join(repository, `scripts/${name}.mts`), ...args], {
    cwd: workspace,
    env: { ...environment(workspace), ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', output, 'inherit'],
  })
  const stop = (): void => void child.kill('SIGINT')
  signal.addEventListener('abort', stop, { once: true })
  child.stdin?.end(input)
  const code = await new Promise<number>((done, fail) => {
    child.once('error', fail)
    child.once('close', exitCode => done(exitCode ?? exitCodes.interrupted))
  })
  signal.removeEventListener('abort', stop)
  if (signal.aborted) throw interrupted('demo')
  if (code !== expectedCode) {
    throw new ProxmintError(`${name} ended with ${code}, not ${expectedCode}`, {
      hint: 'its own words are above',
    })
  }
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
