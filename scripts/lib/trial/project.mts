/** The project that a trial works in: config derived from the user's, with state, registry and home of its own. */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { firmwareEntry } from '../config/firmware.mts'
import { CONFIG_FILE, type ImageConfig, projectRoot } from '../config/load.mts'
import { POOL_FILE, type Pool } from '../config/pools.mts'
import type { Credentials } from '../credentials/credentials.mts'
import { exportedVariables } from '../credentials/export.mts'
import { linkHome } from '../credentials/node-home.mts'
import { makeProject } from '../journey/project-folder.mts'
import { ProxmintError } from '../run/errors.mts'
import { command, runCommand } from '../run/exec.mts'
import { ifThere } from '../run/if-there.mts'
import { type Delivery, siteOf, type TrialPlan, VM_MEMORY_MIB, vmidsFor } from './plan.mts'
import { trialFolder } from './record.mts'
import { FAMILY } from './survey.mts'

type Settings = Record<string, unknown>

/** Folders of packer/ beside that of the family, which every family uses. */
const SHARED = ['common']

/** Makes the project, from the user's. The caller wrote the record before. */
export async function makeTrialProject(stateDir: string, plan: TrialPlan, pool: Pool): Promise<void> {
  const root = projectRoot()
  const project = projectOf(stateDir)
  const [config, vm] = await Promise.all([
    settingsIn(process.env['PROXMINT_CONFIG'] ?? CONFIG_FILE),
    settingsIn(process.env['PROXMINT_VM'] ?? VM_FILE),
  ])
  await makeProject(root, project)
  await keepFamily(project)
  const write = (file: string, settings: Settings): Promise<void> =>
    writeFile(join(project, file), `${JSON.stringify(settings, null, 2)}\n`)
  await write(CONFIG_FILE, configOf(config, plan))
  await write(POOL_FILE, poolsOf(plan, pool))
  if (plan.resourcePool !== undefined) await putIntoPool(project, plan.resourcePool)
  const key = await makeHome(homeOf(stateDir))
  await write(VM_FILE, deliveredBy(plan.deliveries[0]!, vmDefaultsOf(vm, key)))
}

const VM_FILE = 'config/vm.yaml'

export function projectOf(stateDir: string): string {
  return join(trialFolder(stateDir), 'project')
}

function homeOf(stateDir: string): string {
  return join(trialFolder(stateDir), 'home')
}

/** Keys of a YAML file as they stand there; none if there is no file. */
async function settingsIn(file: string): Promise<Settings> {
  const text = await ifThere(readFile(file, 'utf8'))
  const { parse } = await import('yaml')
  return text === undefined ? {} : ((parse(text) as Settings | null) ?? {})
}

/** The user's settings with the trial's own site, numbers and images. */
function configOf({ state_dir: _, images: __, ...settings }: Settings, plan: TrialPlan): Settings {
  const { base } = plan
  return {
    ...settings,
    site: siteOf(plan),
    template_vmid_range: vmidsFor(plan, 'templates'),
    base_vmid_range: vmidsFor(plan, 'base'),
    images: base.kind === 'found' ? {} : { [base.image]: imageSettings(base.source) },
  }
}

function imageSettings({ url, file, checksumsUrl, checksum, firstBoot, firmware }: ImageConfig): Settings {
  const settings = { url, file, checksums_url: checksumsUrl, checksum, first_boot: firstBoot }
  return { ...settings, ...firmwareEntry(firmware) }
}

function poolsOf(plan: TrialPlan, { prefix, gateway, dns, bridge, vlan }: Pool): Settings {
  const { pool, address } = plan.addresses
  return {
    vmid_range: vmidsFor(plan, 'vms'),
    default_pool: pool,
    pools: { [pool]: { addresses: `${address}-${address}`, prefix, gateway, dns, bridge, vlan } },
  }
}

/** Small VMs that download nothing at their first boot. They get the key of the trial alone. */
function vmDefaultsOf({ credential: _, ...settings }: Settings, publicKey: string): Settings {
  const { break_glass_key: _key, ...cloudInit } = cloudInitOf(settings)
  return {
    ...settings,
    template: FAMILY,
    cores: 1,
    memory: VM_MEMORY_MIB,
    cloud_init: { ...cloudInit, template: 'minimal', ssh_authorized_keys: [publicKey] },
  }
}

function deliveredBy({ kind, storage }: Delivery, settings: Settings): Settings {
  return { ...settings, cloud_init: { ...cloudInitOf(settings), delivery: kind, storage } }
}

function cloudInitOf({ cloud_init: cloudInit }: Settings): Settings {
  return (cloudInit as Settings | undefined) ?? {}
}

/** Changes how the next VM gets its user-data. The trial's project is entered. */
export async function deliverBy(delivery: Delivery): Promise<void> {
  const settings = deliveredBy(delivery, await settingsIn(VM_FILE))
  await writeFile(VM_FILE, `${JSON.stringify(settings, null, 2)}\n`)
}

/** Removes other template families: a fault of theirs is nothing of the trial's. */
async function keepFamily(project: string): Promise<void> {
  const entries = await readdir(join(project, 'packer'), { withFileTypes: true })
  const others = entries.filter(entry => entry.isDirectory() && ![FAMILY, ...SHARED].includes(entry.name))
  for (const { name } of others) await rm(join(project, 'packer', name), { recursive: true })
}

/** The line by which a family takes `resource_pool` of config/proxmint.yaml, which is not set. */
const CONFIGURED_POOL = /^ *pool *= *var\.resource_pool\n/m

/** Names the resource pool in the source of the Packer template. */
async function putIntoPool(project: string, pool: string): Promise<void> {
  const folder = join(project, 'packer', FAMILY)
  const source = /^source "proxmox-clone" "[^"]+" \{\n/m
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.pkr.hcl')) continue
    const text = await readFile(join(folder, name), 'utf8')
    if (source.test(text)) {
      await writeFile(
        join(folder, name),
        text.replace(CONFIGURED_POOL, '').replace(source, line => `${line}  pool = "${pool}"\n`),
      )
    }
  }
}

/**
 * Makes a home folder with links to all of the user's but `.ssh`. There it has a key of its own, which opens the VMs of
 * the trial, and a copy of `known_hosts`, to which OpenTofu's provider adds the node.
 * @returns the public key.
 */
async function makeHome(home: string): Promise<string> {
  const ssh = join(home, '.ssh')
  await mkdir(ssh, { recursive: true, mode: 0o700 })
  await linkHome(home)
  await ifThere(copyFile(join(homedir(), '.ssh', 'known_hosts'), join(ssh, 'known_hosts')))
  const key = join(ssh, 'id_ed25519')
  const { code, stderr } = await runCommand(command`ssh-keygen -q -t ed25519 -N ${''} -C trial -f ${key}`)
  if (code !== 0)
    throw new ProxmintError(`cannot make an SSH key: ${stderr}`, { hint: 'ssh-keygen is a part of OpenSSH' })
  return (await readFile(`${key}.pub`, 'utf8')).trim()
}

/**
 * Makes the trial's project the one of this process and of the commands that it starts. Settings of the user's by the
 * environment are left out; the credentials, which are read, stand there instead.
 */
export function enterTrialProject(stateDir: string, credentials: Credentials): void {
  const project = projectOf(stateDir)
  const own = Object.keys(process.env).filter(name =>
    /^(PROXMINT_(?!TEST_|GUEST_SSH)|TEMPLATE_VMID$)/.test(name),
  )
  for (const name of own) delete process.env[name]
  const caFile = credentials.caFile === undefined ? undefined : resolve(credentials.caFile)
  Object.assign(process.env, exportedVariables({ ...credentials, caFile }), {
    PROXMINT_CONFIG: join(project, CONFIG_FILE),
    PROXMINT_STATE_DIR: join(project, '.proxmint'),
    HOME: homeOf(stateDir),
  })
  process.chdir(project)
}
