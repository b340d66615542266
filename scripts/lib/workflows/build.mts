import { mkdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { inputDigest } from '../packer/input-digest.mts'
import { readManifest } from '../packer/manifest.mts'
import { removeStaleCopies, writePackagedCopy } from '../packer/packaged-copy.mts'
import { type BuildCommands, planBuild } from '../packer/plan.mts'
import type { Template } from '../packer/template.mts'
import { writeFailed } from '../run/atomic-file.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { describeCommand } from '../run/exec.mts'
import { dropReservation, type Reservation, updateReservation } from '../templates/reservations.mts'
import { requireTool } from '../tools/find.mts'
import type { Dialect, Tool } from '../tools/tool.mts'
import { loadCheckedTemplate } from './checked-template.mts'
import { type Connection, cleaningOf, connect } from './connect.mts'
import { finishTemplate } from './finish-template.mts'
import { buildWithPacker, validateWithPacker } from './packer-run.mts'
import { checkPermissions, requireGranted } from './permission-check.mts'
import { removeLeftovers, tryRemoveReserved } from './remove-leftovers.mts'
import { reserveVm } from './reserve.mts'
import { buildTarget, findBase, needsOfBuild } from './work-needs.mts'

export interface BuildOptions {
  os: string
  /** Further Packer variables, from `--var`. */
  variables: Record<string, string>
  /** Stops after the rules, the permissions and `packer validate`. */
  validateOnly: boolean
  /** Stops after the rules and the permissions, and tells the commands. */
  dryRun: boolean
}

export interface BuildResult {
  os: string
  name: string
  node: string
  packer: { version: string; dialect: Dialect; file: string }
  /** What was changed in the copy for the packaged Packer. */
  changes: string[]
  /** Of a dry run: what would be run. */
  commands: string[]
  /** Undefined where nothing was to be built. */
  template: { vmid: number; log: string } | undefined
  seconds: number
}

/** Variables of a template through which a build hands over what it decided. */
const handedOver = ['template_vmid', 'template_name', 'build_id', 'manifest'] as const

/**
 * Builds one family: rules, permissions, `packer validate`, then `packer build` with a VMID that was
 * reserved and written down. A failed or interrupted build leaves no VM behind.
 */
export async function build(options: BuildOptions, signal: AbortSignal): Promise<BuildResult> {
  const start = performance.now()
  const [template, packer] = await Promise.all([loadCheckedTemplate(options.os), requireTool('packer')])
  requireHandover(template, options.variables)
  const dialect = packer.dialect ?? 'modern'
  const connection = await connect(dialect === 'packaged' ? 'password' : 'token')
  const job = await prepare(connection, template, { ...packer, dialect }, options)
  try {
    const template = await execute(connection, job, options, signal)
    return {
      os: options.os,
      name: job.name,
      node: connection.credentials.node,
      packer: { version: packer.version, dialect, file: packer.file },
      changes: job.changes,
      commands: options.dryRun ? Object.values(job.commands(undefined)).map(describeCommand) : [],
      template,
      seconds: (performance.now() - start) / 1000,
    }
  } finally {
    if (job.copy !== undefined) await rm(job.copy, { recursive: true, force: true })
  }
}

interface Job {
  os: string
  name: string
  manifest: string
  changes: string[]
  /** The translated copy to remove afterwards. */
  copy: string | undefined
  /** The commands, for what was reserved or nothing yet. */
  commands(reserved: Pick<Reservation, 'vmid' | 'buildId'> | undefined): BuildCommands
}

function requireHandover({ folder, variables }: Template, given: Record<string, string>): void {
  const missing = handedOver.filter(name => !variables.some(variable => variable.name === name))
  if (missing.length > 0) {
    throw new ProxmintError(`${folder} declares no variable ${missing.join(', ')}`, {
      hint: 'proxmint hands over the reserved VMID, the name and the manifest in them; see packer/debian/variables.pkr.hcl',
      exitCode: exitCodes.invalid,
    })
  }
  const set = handedOver.find(name => given[name] !== undefined)
  if (set !== undefined) {
    throw new ProxmintError(`${set} cannot be given: proxmint chooses it and writes it down`, {
      exitCode: exitCodes.usage,
    })
  }
}

/** Everything before Proxmox is asked to change anything. */
async function prepare(
  connection: Connection,
  template: Template,
  packer: Tool & { dialect: Dialect },
  { variables: given }: BuildOptions,
): Promise<Job> {
  const { config, credentials } = connection
  const variables = { ...configured(template, config.bridge), ...given }
  await checkPlace(connection, template, variables)
  const name = `${template.os}-${today()}-${await inputDigest(template, variables)}`
  const manifest = join(config.stateDir, 'manifests', `${name}-${process.pid}.json`)
  await mkdir(dirname(manifest), { recursive: true }).catch(cause => {
    throw writeFailed(manifest, cause)
  })
  const copies = join(config.stateDir, 'packaged')
  await removeStaleCopies(copies)
  const copy = packer.dialect === 'packaged' ? join(copies, String(process.pid)) : undefined
  const translated = copy === undefined ? undefined : await writePackagedCopy(template, copy)
  const folder = resolve(translated?.folder ?? template.folder)
  return {
    os: template.os,
    name,
    manifest,
    copy,
    changes: translated?.changes ?? [],
    commands: reserved =>
      planBuild({
        packer,
        dialect: packer.dialect,
        credentials,
        folder,
        variables: { ...variables, ...handover(name, manifest, reserved) },
      }),
  }
}

function handover(
  name: string,
  manifest: string,
  reserved: Pick<Reservation, 'vmid' | 'buildId'> | undefined,
): Record<(typeof handedOver)[number], string> {
  const { vmid = 0, buildId = 'none' } = reserved ?? {}
  return { template_name: name, manifest, template_vmid: String(vmid), build_id: buildId }
}

/** What the config decides, for the templates that ask for it. */
function configured({ variables }: Template, bridge: string): Record<string, string> {
  return variables.some(variable => variable.name === 'bridge') ? { bridge } : {}
}

/** The permissions first: without them a base VM that is there looks like one that is not. */
async function checkPlace(
  connection: Connection,
  template: Template,
  variables: Record<string, string>,
): Promise<void> {
  const { client, credentials, version } = connection
  const environment = {
    ...process.env,
    PROXMOX_STORAGE_POOL: credentials.storagePool,
    PROXMOX_NODE: credentials.node,
  }
  const target = buildTarget(template, variables, environment)
  const base = await findBase(client, target.baseName)
  const needs = await needsOfBuild(client, target, { node: credentials.node, pveMajor: version.major }, base)
  requireGranted(await checkPermissions(client, version.major, needs), `build ${template.os}`)
  if (base !== undefined) return
  throw new ProxmintError(`the base VM ${target.baseName} is not there`, {
    hint: `zx scripts/base.mts import ${target.baseName.replace('proxmint-base-', '')}`,
    exitCode: exitCodes.invalid,
  })
}

/** `20261122`, UTC. */
function today(): string {
  return new Date().toISOString().slice(0, 10).replaceAll('-', '')
}

async function execute(
  connection: Connection,
  job: Job,
  { dryRun, validateOnly }: BuildOptions,
  signal: AbortSignal,
): Promise<BuildResult['template']> {
  if (dryRun) return undefined
  await validateWithPacker(job.os, job.commands(undefined).validate, signal)
  if (validateOnly) return undefined
  for (const told of await removeLeftovers(cleaningOf(connection))) process.stderr.write(`${told}\n`)
  const { client, config, credentials } = connection
  const reservation = await reserveVm(client, config.stateDir, {
    range: config.templateVmidRange,
    node: credentials.node,
    name: job.name,
    tags: [`proxmint-${config.site}`, job.os],
    purpose: `build ${job.os}`,
  })
  try {
    return await make(connection, job, reservation, signal)
  } catch (error) {
    process.stderr.write(`${await tryRemoveReserved(cleaningOf(connection), reservation)}\n`)
    throw error
  } finally {
    await rm(job.manifest, { force: true })
  }
}

async function make(
  { client, config }: Connection,
  job: Job,
  reservation: Reservation,
  signal: AbortSignal,
): Promise<NonNullable<BuildResult['template']>> {
  const { vmid } = reservation
  const log = await buildWithPacker(
    {
      os: job.os,
      vmid,
      plan: job.commands(reservation).build,
      logFolder: join(config.stateDir, 'logs'),
      onStart: pid => updateReservation(config.stateDir, vmid, { child: { pid, program: 'packer' } }),
    },
    signal,
  )
  const built = await readManifest(job.manifest)
  if (built.vmid !== vmid) {
    throw new ProxmintError(`Packer built VM ${built.vmid}, not the reserved ${vmid}`, {
      hint: 'set `vm_id = var.template_vmid` in the template; the VM it built is still there',
    })
  }
  await finishTemplate(client, reservation)
  await dropReservation(config.stateDir, vmid)
  return { vmid, log }
}
