import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { GUEST_SSH_VARIABLE, sshServerOf } from '../acceptance/ssh.mts'
import { buildPassword } from '../packer/build-password.mts'
import type { Place } from '../packer/family.mts'
import { readManifest } from '../packer/manifest.mts'
import { copiesOfThisRun, writePackagedCopy } from '../packer/packaged-copy.mts'
import { type BuildCommands, planBuild } from '../packer/plan.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { type Connection, cleaningOf } from '../site/connect.mts'
import { tryRemoveReserved } from '../site/remove-leftovers.mts'
import { reserveVm } from '../site/reserve.mts'
import { dropReservation, type Reservation, updateReservation } from '../templates/reservations.mts'
import type { TemplateCopy } from '../templates/version.mts'
import type { Dialect, Tool } from '../tools/tool.mts'
import { withCloneFailure } from './clone-failure.mts'
import { finishTemplate } from './finish-template.mts'
import { type BuildJob, connectionAt, type handedOver, manifestPath } from './job.mts'
import { buildWithPacker } from './packer-run.mts'
import { withRetries } from './retry.mts'

/** A job with the folder Packer is run in, at one place. */
export interface PlacedJob {
  job: BuildJob
  name: string
  place: Place
  packer: Tool & { dialect: Dialect }
  folder: string
  /** What was changed in the folder for the packaged Packer. */
  changes: string[]
}

/** One finished VM template that stands nowhere yet but in its reservation. */
export interface BuiltCopy {
  copy: TemplateCopy
  reservation: Reservation
  log: string
}

/** The folder as it is, or its copy for a Packer that does not read today's templates. */
export async function packerFolder(
  { template, os }: BuildJob,
  dialect: Dialect,
  stateDir: string,
): Promise<{ folder: string; changes: string[]; copy: string | undefined }> {
  if (dialect === 'modern') return { folder: resolve(template.folder), changes: [], copy: undefined }
  const copy = join(copiesOfThisRun(stateDir), os)
  const { folder, changes } = await writePackagedCopy(template, copy)
  return { folder: resolve(folder), changes, copy }
}

/** The commands for what was reserved, or for nothing yet. */
export function commandsOf(
  { credentials }: Connection,
  { job, name, packer, folder }: PlacedJob,
  { vmid = 0, buildId = 'none', manifest = 'manifest.json' }: Handover = {},
): BuildCommands {
  const handed: Record<(typeof handedOver)[number], string> = {
    template_name: name,
    manifest,
    template_vmid: String(vmid),
    build_id: buildId,
  }
  const variables = { ...guestSsh(job, vmid), ...job.variables, ...handed }
  const secrets = buildPassword(job.template)
  return planBuild({ packer, dialect: packer.dialect, credentials, folder, variables, secrets })
}

/** In a lab on loopback a guest has a port of this machine instead of an address of its own. */
function guestSsh({ template }: BuildJob, vmid: number): Record<string, string> {
  const declared = ['ssh_host', 'ssh_port'].every(name =>
    template.variables.some(variable => variable.name === name),
  )
  if (!declared || !process.env[GUEST_SSH_VARIABLE]) return {}
  const { host, port } = sshServerOf(vmid, '', process.env)
  return { ssh_host: host, ssh_port: String(port) }
}

interface Handover {
  vmid?: number
  buildId?: string
  manifest?: string
}

/**
 * Builds one copy under a VMID that was reserved and written down. A failed or interrupted build leaves no VM
 * behind; of one that succeeded the reservation stays until the version is recorded.
 */
export async function buildCopy(
  anywhere: Connection,
  placed: PlacedJob,
  signal: AbortSignal,
): Promise<BuiltCopy> {
  const connection = connectionAt(anywhere, placed.place)
  const { config, client } = connection
  const { job, name, place } = placed
  const reservation = await reserveVm(client, config.stateDir, {
    range: config.templateVmidRange,
    pinned: job.pinnedVmid,
    node: place.node,
    name,
    tags: [`proxmint-${config.site}`, job.os, job.digests.digest.slice(0, 8)],
    purpose: `build ${job.os}`,
  })
  checkpoint('reserved')
  try {
    return await make(connection, placed, reservation, signal)
  } catch (error) {
    say(await tryRemoveReserved(cleaningOf(connection), reservation))
    throw error
  }
}

async function make(
  connection: Connection,
  placed: PlacedJob,
  reservation: Reservation,
  signal: AbortSignal,
): Promise<BuiltCopy> {
  const { client, config } = connection
  const { vmid, buildId, node } = reservation
  const manifest = await manifestPath(config.stateDir, placed.name, vmid)
  try {
    const since = Date.now()
    const log = await buildWithPacker(
      {
        os: placed.job.os,
        vmid,
        plan: commandsOf(connection, placed, { vmid, buildId, manifest }).build,
        logFolder: join(config.stateDir, 'logs'),
        notes: placed.changes.map(change => `in the copy of the template: ${change}`),
        onStart: pid => noteChild(config.stateDir, vmid, pid),
      },
      signal,
    ).catch(async error => {
      throw await withCloneFailure(client, node, since, error)
    })
    checkpoint('packer-ended')
    await requireReserved(manifest, vmid)
    // Not the whole build again for an API that was busy for a moment.
    const finish = () => finishTemplate(client, reservation)
    const { storage } = await withRetries(reservation.purpose, finish, { signal })
    checkpoint('finished')
    return { copy: { vmid, node, storage: storage || placed.place.storage, buildId }, reservation, log }
  } finally {
    await rm(manifest, { force: true })
  }
}

async function noteChild(stateDir: string, vmid: number, pid: number): Promise<void> {
  await updateReservation(stateDir, vmid, { child: { pid, program: 'packer' } })
  checkpoint('packer-started')
}

async function requireReserved(manifest: string, vmid: number): Promise<void> {
  const built = await readManifest(manifest)
  if (built.vmid === vmid) return
  throw new ProxmintError(`Packer built VM ${built.vmid}, not the reserved ${vmid}`, {
    hint: 'set `vm_id = var.template_vmid` in the template; the VM it built is still there',
  })
}

/** Its VM is in the lockfile now. */
export async function releaseCopies({ config }: Connection, built: BuiltCopy[]): Promise<void> {
  for (const { reservation } of built) await dropReservation(config.stateDir, reservation.vmid)
}

/** What becomes of copies whose version is not recorded. */
export async function removeCopies(connection: Connection, built: BuiltCopy[]): Promise<void> {
  for (const { reservation } of built) {
    say(await tryRemoveReserved(cleaningOf(connection), reservation))
  }
}
