import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { createLab, type Lab } from '../../../lab/create.mts'
import { type ProxmoxClient, passwordClient } from '../proxmox/client.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { exitCodes, interrupted, ProxmintError } from '../run/errors.mts'

/** One step of the demonstration and how long it took. */
export interface DemoStep {
  name: string
  seconds: number
}

interface Demo {
  lab: Lab
  root: ProxmoxClient
  /** A repository as a user has it: its own config, secrets and templates. */
  workspace: string
  output: Writable
  signal: AbortSignal
}

const repository = resolve(import.meta.dirname, '../../..')
const image = 'debian-12'
const privilege = 'VM.GuestAgent.Audit'
/** The first of `template_vmid_range`, which a lab that was just started has free. */
const firstTemplateVmid = 9000

/**
 * The main job, once, on a lab of its own: credentials, base image, a permission that is missing, the build
 * with the real Packer, the VM template. Every command is the one a person types.
 * @param output takes what a person reads; it must be one of this process's own streams.
 * @param guests simulated, or real machines, where it all takes about ten minutes.
 */
export async function demonstrate(
  output: Writable,
  guests: 'sim' | 'qemu',
  signal: AbortSignal,
): Promise<DemoStep[]> {
  const steps: DemoStep[] = []
  const step = async <T,>(name: string, work: () => Promise<T>): Promise<T> => {
    if (signal.aborted) throw interrupted('demo')
    output.write(`\n== ${name}\n`)
    const start = performance.now()
    const result = await work()
    const seconds = (performance.now() - start) / 1000
    steps.push({ name, seconds })
    output.write(`== ${name}: ${seconds.toFixed(1)} s\n`)
    return result
  }
  const workspace = await prepareWorkspace()
  const lab = await step('start an embedded Proxmox VE', () => startLab(output, guests))
  try {
    const root = passwordClient(lab, { user: 'root@pam', password: lab.rootPassword })
    await run({ lab, root, workspace, output, signal }, step)
  } finally {
    await step('stop the embedded Proxmox VE', () => lab.close()).catch(() => lab.close())
  }
  return steps
}

type Step = <T>(name: string, work: () => Promise<T>) => Promise<T>

async function run(demo: Demo, step: Step): Promise<void> {
  await writeFile(join(demo.workspace, 'config/proxmint.yaml'), labConfig(demo.lab))
  await step('encrypt its credentials with SOPS and age', () => encryptCredentials(demo))
  await step(`import the ${image} cloud image as base VM`, () => command(demo, ['base', 'import', image]))
  const role = await step(`take ${privilege} away, and let the check find out`, () => withoutPrivilege(demo))
  await step(`give ${privilege} back`, () => appendPrivilege(demo, role))
  await step('build the Debian VM template with Packer', () =>
    command(demo, ['build', 'debian', ...sshVariables(demo.lab)]),
  )
  await step('look at the VM template', () => showTemplate(demo))
}

/** Where the lab may make no network of its own, a guest has a port of this machine instead of an address. */
function sshVariables({ sshPortOf }: Lab): string[] {
  const port = sshPortOf?.(firstTemplateVmid)
  return port === undefined ? [] : ['--var', 'ssh_host=127.0.0.1', '--var', `ssh_port=${port}`]
}

async function prepareWorkspace(): Promise<string> {
  const workspace = join(repository, '.proxmint/demo')
  await rm(workspace, { recursive: true, force: true })
  await mkdir(join(workspace, 'config'), { recursive: true, mode: 0o700 })
  await cp(join(repository, 'packer'), join(workspace, 'packer'), { recursive: true })
  return workspace
}

async function startLab(output: Writable, guests: 'sim' | 'qemu'): Promise<Lab> {
  const onProgress = (line: string): void => void output.write(`${line}\n`)
  const lab = await createLab({ onProgress, guests, images: [image] })
  output.write(`${lab.url}\n`)
  return lab
}

function labConfig({ imagesUrl }: Lab): string {
  return [
    'site: demo',
    'images:',
    `  ${image}:`,
    `    url: ${imagesUrl}/debian-12-genericcloud-amd64.qcow2`,
    `    checksums_url: ${imagesUrl}/SHA512SUMS`,
    '',
  ].join('\n')
}

/** By standard input: the clear text touches no disk. */
async function encryptCredentials(demo: Demo): Promise<void> {
  const { tokenEnv } = demo.lab
  const [user, tokenId] = tokenEnv['PROXMOX_USERNAME']!.split('!')
  const values = {
    proxmox_url: demo.lab.url,
    proxmox_user: user,
    proxmox_token_id: tokenId,
    proxmox_token_secret: tokenEnv['PROXMOX_TOKEN'],
    proxmox_node: tokenEnv['PROXMOX_NODE'],
    proxmox_storage_pool: tokenEnv['PROXMOX_STORAGE_POOL'],
    proxmox_password: tokenEnv['PROXMOX_PASSWORD'],
    proxmox_ca_file: demo.lab.caFile,
  }
  await command(demo, ['credentials', 'init'], { input: JSON.stringify(values) })
  await command(demo, ['credentials', 'check'])
}

/** @returns the role of the lab's user, from which the privilege was taken. */
async function withoutPrivilege(demo: Demo): Promise<string> {
  const acl = await demo.root.request<{ ugid: string; roleid: string }[]>('GET', '/access/acl')
  const user = demo.lab.tokenEnv['PROXMOX_USERNAME']!.split('!')[0]
  const role = acl.find(entry => entry.ugid === user)!.roleid
  const privileges = await demo.root.request<Record<string, number>>('GET', `/access/roles/${role}`)
  const rest = Object.keys(privileges).filter(name => name !== privilege)
  await demo.root.request('PUT', `/access/roles/${role}`, { privs: rest.join(',') })
  await command(demo, ['check-permissions', '--template', 'debian'], { expectedCode: exitCodes.denied })
  return role
}

/** What the printed `pveum role modify` line does, by the API. */
async function appendPrivilege(demo: Demo, role: string): Promise<void> {
  await demo.root.request('PUT', `/access/roles/${role}`, { privs: privilege, append: 1 })
}

async function showTemplate({ root, workspace, output }: Demo): Promise<void> {
  const vms = await root.request<{ vmid: number; node: string; name: string; template?: number }[]>(
    'GET',
    '/cluster/resources',
    { type: 'vm' },
  )
  for (const vm of vms.filter(candidate => candidate.template === 1)) {
    const config = await getVmConfig(root, vm)
    output.write(`${vm.vmid}  ${vm.name}  ${config['scsi0']}  tags: ${config['tags']}\n`)
  }
  const log = join(workspace, '.proxmint/logs', `build-debian-${firstTemplateVmid}.log`)
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
  output.write(
    `the end of Packer's own log, ${log}:\n${lines
      .slice(-4)
      .map(line => `  ${line}`)
      .join('\n')}\n`,
  )
}

/** Runs one of our commands in the lab's network, from the workspace, with the user's own streams. */
async function command(
  { lab, workspace, output, signal }: Demo,
  [name, ...args]: string[],
  { input, expectedCode = 0 }: { input?: string; expectedCode?: number } = {},
): Promise<void> {
  output.write(`$ zx scripts/${name}.mts ${args.join(' ')}\n`)
  const child = lab.spawn(['zx', join(repository, `scripts/${name}.mts`), ...args], {
    cwd: workspace,
    env: environment(workspace),
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
  return {
    ...Object.fromEntries(variables.map(name => [`PROXMOX_${name}`, ''])),
    PROXMINT_CONFIG: join(workspace, 'config/proxmint.yaml'),
    PROXMINT_STATE_DIR: join(workspace, '.proxmint'),
    SOPS_AGE_KEY_FILE: join(workspace, 'age-identity.txt'),
  }
}
