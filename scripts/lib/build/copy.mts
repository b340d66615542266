/** One copy of a version: a VM template at one place. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GUEST_SSH_VARIABLE, sshServerOf } from '../acceptance/ssh.mts'
import { siteTagOf } from '../config/site-tag.mts'
import { buildPassword } from '../packer/build-password.mts'
import { buildTarget, environmentAt } from '../packer/build-target.mts'
import type { Place } from '../packer/family.mts'
import type { Handover } from '../packer/handover.mts'
import { readManifest } from '../packer/manifest.mts'
import { type BuildCommands, planBuild } from '../packer/plan.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { ProxmintError } from '../run/errors.mts'
import { privateFolder } from '../run/private-folder.mts'
import { say } from '../run/progress.mts'
import { requireListed } from '../site/base-listed.mts'
import { findBase } from '../site/build-needs.mts'
import { type Connection, cleaningOf } from '../site/connect.mts'
import { tryRemoveReserved } from '../site/remove-leftovers.mts'
import { reserveVm } from '../site/reserve.mts'
import { dropReservation, type Reservation, updateReservation } from '../templates/reservations.mts'
import { withCloneFailure } from './clone-failure.mts'
import { finishTemplate } from './finish-template.mts'
import { buildWithPacker } from './packer-run.mts'
import type { Build, BuiltCopy } from './records.mts'
import { withRetries } from './retry.mts'
import { timeoutVariables, variablesReadBy } from './variables.mts'

const NOTHING_RESERVED = { vmid: 0, buildId: 'none', manifest: 'manifest.json' }

/** Plans the commands for one place, with what was reserved there. */
export function packerCommands(
  build: Build,
  { node, storage }: Place,
  { vmid, buildId, manifest } = NOTHING_RESERVED,
): BuildCommands {
  const { packer, folder, name, template } = build
  const credentials = { ...build.connection.credentials, node, storagePool: storage }
  const handed: Handover = {
    template_name: name,
    manifest,
    template_vmid: String(vmid),
    build_id: buildId,
  }
  const variables = {
    ...timeoutVariables(template, build.connection.config),
    ...guestSsh(build, vmid),
    ...build.variables,
    ...handed,
  }
  const secrets = buildPassword(template)
  const reads = variablesReadBy(template)
  return planBuild({ packer, dialect: packer.dialect, credentials, folder, variables, secrets, reads })
}

/** In a lab on loopback a guest has a port of this machine instead of an address of its own. */
function guestSsh({ template }: Build, vmid: number): Record<string, string> {
  const declared = ['ssh_host', 'ssh_port'].every(name =>
    template.variables.some(variable => variable.name === name),
  )
  if (!declared || !process.env[GUEST_SSH_VARIABLE]) return {}
  const { host, port } = sshServerOf(vmid, '', process.env)
  return { ssh_host: host, ssh_port: String(port) }
}

/**
 * Builds one copy under a VMID that was reserved and written down. A failed or interrupted build leaves no VM behind.
 * The reservation of a copy that succeeded stays until the version is recorded.
 */
export async function buildCopy(build: Build, place: Place): Promise<BuiltCopy> {
  const { connection, os, name, digests } = build
  const { client, config } = connection
  const reservation = await reserveVm(client, config.stateDir, {
    range: config.templateVmidRange,
    pinned: build.pinnedVmid,
    node: place.node,
    name,
    tags: [siteTagOf(config), os, digests.digest.slice(0, 8)],
    purpose: `build ${os}`,
  })
  checkpoint('reserved')
  try {
    return await buildReserved(build, place, reservation)
  } catch (error) {
    say(await tryRemoveReserved(cleaningOf(connection), reservation))
    throw error
  }
}

async function buildReserved(build: Build, place: Place, reservation: Reservation): Promise<BuiltCopy> {
  const { connection, signal } = build
  const { vmid, buildId, node, purpose } = reservation
  const manifest = manifestPath(connection.config.stateDir, build.name, vmid)
  try {
    const log = await runBuild(build, place, reservation, manifest)
    checkpoint('packer-ended')
    await requireReserved(manifest, vmid)
    // An API that is busy for a moment does not cost the whole build.
    const finish = () => finishTemplate(connection.client, reservation, build.firmware)
    const storage = await withRetries(purpose, finish, { signal })
    checkpoint('finished')
    const copy = { vmid, node, storage: storage ?? place.storage, buildId }
    return { copy, reservation, log, report: undefined }
  } finally {
    await rm(manifest, { force: true })
  }
}

/** @returns the path of the log. */
async function runBuild(
  build: Build,
  place: Place,
  reservation: Reservation,
  manifest: string,
): Promise<string> {
  const { vmid, buildId, node } = reservation
  const { client, config } = build.connection
  await requireBaseListed(build, place)
  const since = Date.now()
  const run = {
    os: build.os,
    vmid,
    plan: packerCommands(build, place, { vmid, buildId, manifest }).build,
    logFolder: join(config.stateDir, 'logs'),
    notes: build.changes.map(change => `in the copy of the template: ${change}`),
    onStart: (pid: number) => noteChild(config.stateDir, reservation, pid),
  }
  return buildWithPacker(run, build.signal).catch(async error => {
    throw await withCloneFailure(client, node, since, error)
  })
}

/** Waits until Packer finds the base VM, which may have been imported a moment ago. */
async function requireBaseListed(
  { connection, template, variables, signal }: Build,
  place: Place,
): Promise<void> {
  const { client } = connection
  const { baseName } = buildTarget(template, { variables, env: environmentAt(place) })
  const base = await findBase(client, baseName, place.node)
  if (base !== undefined) await requireListed(client, { ...base, name: base.name! }, { signal })
}

/** Names the file of one build's manifest and makes its folder. */
function manifestPath(stateDir: string, name: string, vmid: number): string {
  return join(privateFolder(stateDir, 'manifests'), `${name}-${vmid}.json`)
}

async function noteChild(stateDir: string, reservation: Reservation, pid: number): Promise<void> {
  await updateReservation(stateDir, reservation, { child: { pid, program: 'packer' } })
  checkpoint('packer-started')
}

async function requireReserved(manifest: string, vmid: number): Promise<void> {
  const built = await readManifest(manifest)
  if (built.vmid === vmid) return
  throw new ProxmintError(`Packer built VM ${built.vmid}, not the reserved ${vmid}`, {
    hint: 'set `vm_id = var.template_vmid` in the template; the VM it built is still there',
  })
}

/** Drops the reservations of copies that the lockfile names now. */
export async function releaseCopies({ config }: Connection, copies: BuiltCopy[]): Promise<void> {
  for (const { reservation } of copies) await dropReservation(config.stateDir, reservation)
}

/** Removes copies whose version is not recorded. */
export async function removeCopies(connection: Connection, copies: BuiltCopy[]): Promise<void> {
  for (const { reservation } of copies) say(await tryRemoveReserved(cleaningOf(connection), reservation))
}
