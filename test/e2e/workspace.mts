/** A repository of a user's, and a lab for it: what every test of the whole works in. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLab, type ExecResult, type Lab, type LabOptions } from '../../lab/create.mts'
import { type ProxmoxClient, passwordClient } from '../../scripts/lib/proxmox/client.mts'
import { isStopped } from '../stopped.mts'

export const repository = resolve(import.meta.dirname, '../..')

export interface Workspace extends AsyncDisposable {
  /** Its root: `packer/`, `config/`, and the state folder `.proxmint/`. */
  folder: string
  stateDir: string
  /** First and last VMID of the VM templates it may build. */
  vmids: [number, number]
  /** Variables every command gets: the lab's login and where the config is. */
  env: Record<string, string>
  /** Runs `zx scripts/NAME.mts ARGS` from the workspace, inside the lab's network. */
  zx(name: string, args: string[], env?: NodeJS.ProcessEnv): Promise<ExecResult>
  /** The same without waiting for its end. */
  start(name: string, args: string[], env?: Record<string, string>): Started
  /** Replaces text in a file of the workspace. @throws when the text is not there. */
  edit(path: string, from: string | RegExp, to: string): Promise<void>
}

export interface Started {
  pid: number
  ended: Promise<ExecResult>
  /** Signals the command itself, as a terminal or an administrator does. */
  signal(name: 'SIGINT' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** Waits until the process is stopped, as by PROXMINT_TEST_STOP_AT. Fails if it ends before. */
  untilStopped(): Promise<void>
}

/**
 * A lab whose tasks end at once, with the Debian image. Its lists of the cluster lag behind and flap as those of Proxmox, with
 * a period of 2 s instead of 10.
 */
export function startLab(options: LabOptions = {}): Promise<Lab> {
  return createLab({ timeScale: 0, staleSeconds: 2, images: ['debian-12'], ...options })
}

let workspaces = 0

function nextVmids(): [number, number] {
  const first = 9000 + 10 * workspaces++
  return [first, first + 9]
}

/** @param vmids Default: a range of its own, so that tests can build at the same time. */
export async function createWorkspace(lab: Lab, vmids = nextVmids()): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-e2e-'))
  await mkdir(join(folder, 'config'))
  await cp(join(repository, 'packer'), join(folder, 'packer'), { recursive: true })
  await cp(join(repository, 'secrets'), join(folder, 'secrets'), { recursive: true })
  await writeFile(join(folder, 'config/proxmint.yaml'), labConfig(lab, vmids))
  const env = { ...lab.tokenEnv, PROXMINT_CONFIG: join(folder, 'config/proxmint.yaml') }
  return {
    folder,
    stateDir: join(folder, '.proxmint'),
    vmids,
    env,
    zx: (name, args, extra) =>
      lab.exec(['zx', join(repository, `scripts/${name}.mts`), ...args], {
        cwd: folder,
        env: { ...env, ...extra },
      }),
    start: (name, args, extra) =>
      start(lab, [join(repository, `scripts/${name}.mts`), ...args], folder, { ...env, ...extra }),
    async edit(path, from, to) {
      const text = await readFile(join(folder, path), 'utf8')
      const edited = text.replace(from, to)
      if (edited === text) throw new Error(`${path} does not hold ${from}`)
      await writeFile(join(folder, path), edited)
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** By node and zx directly: of a chain of wrappers only the outermost would get the signal. */
function start(lab: Lab, args: string[], cwd: string, env: Record<string, string>): Started {
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const child = lab.spawn([process.execPath, zx, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout!.on('data', chunk => {
    output.stdout += chunk
  })
  child.stderr!.on('data', chunk => {
    output.stderr += chunk
  })
  const ended = new Promise<ExecResult>(resolve => child.on('close', code => resolve({ code, ...output })))
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  const untilStopped = async (): Promise<void> => {
    while (!(await isStopped(child.pid!))) {
      if (isOver) throw new Error(`it ended before it was stopped: ${output.stderr}`)
      await sleep(20)
    }
  }
  return { pid: child.pid!, ended, signal: name => void child.kill(name), untilStopped }
}

function labConfig({ imagesUrl }: Lab, [first, last]: [number, number]): string {
  return [
    'site: test',
    `template_vmid_range: [${first}, ${last}]`,
    'images:',
    '  debian-12:',
    `    url: ${imagesUrl}/debian-12-genericcloud-amd64.qcow2`,
    `    checksums_url: ${imagesUrl}/SHA512SUMS`,
    '',
  ].join('\n')
}

/** The lab's root, for what a test prepares or looks at behind the toolkit's back. */
export function rootClient(lab: Lab): ProxmoxClient {
  return passwordClient(
    { url: lab.url, caFile: lab.caFile },
    { user: 'root@pam', password: lab.rootPassword },
  )
}
