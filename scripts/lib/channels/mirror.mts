import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listVmPlaces, type VmPlace } from '../proxmox/list-vms.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { messageOf } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import type { Connection } from '../site/connect.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { mirroredTags } from '../templates/tags.mts'
import { terraformVariables } from '../templates/terraform-variables.mts'
import {
  type Families,
  type TemplateCopy,
  type TemplateVersion,
  versionMark,
  versionsOf,
} from '../templates/version.mts'

let lastMirror: Promise<void> = Promise.resolve()

/**
 * Updates what is derived from the lockfile: the tags in Proxmox and the variables of Terraform. Prints a warning per
 * failure, which undoes nothing: the next run repairs the rest. Calls run one after the other and each reads the lockfile
 * again, so that two builds that end at once do not undo each other's changes.
 */
export function mirror(connection: Connection): Promise<void> {
  lastMirror = lastMirror.catch(() => undefined).then(() => mirrorNow(connection))
  return lastMirror
}

async function mirrorNow(connection: Connection): Promise<void> {
  const families = await readLockfile(lockfilePath())
  for (const warning of await writeVariables(families)) say(warning)
  for (const warning of await mirrorTags(connection, families)) say(warning)
  checkpoint('mirrored')
}

/** Writes Terraform's variables into `terraform/` beside the folder of the config. @returns A warning if that failed. */
export async function writeVariables(families: Families): Promise<string[]> {
  const folder = join(dirname(lockfilePath()), '..', 'terraform')
  // A project without Terraform has no such folder.
  if (!existsSync(folder)) return []
  const text = `${JSON.stringify(terraformVariables(families), null, 2)}\n`
  try {
    await writeFileAtomic(join(folder, 'templates.auto.tfvars.json'), text)
    return []
  } catch (error) {
    return [`warning: ${messageOf(error)}; the next run writes it again`]
  }
}

interface Marked {
  os: string
  version: TemplateVersion
  mark: string
  copy: TemplateCopy
}

async function mirrorTags(connection: Connection, families: Families): Promise<string[]> {
  const wanted = Object.entries(families).flatMap(([os, family]) =>
    versionsOf(family).flatMap(version =>
      version.copies.map(copy => ({ os, version, mark: versionMark(family, version), copy })),
    ),
  )
  try {
    const vms = await listVmPlaces(connection.client)
    const warnings = await Promise.all(wanted.map(marked => mirrorCopy(connection, marked, vms)))
    return warnings.filter(line => line !== undefined)
  } catch (error) {
    return [`warning: the tags in Proxmox were not updated: ${messageOf(error)}`]
  }
}

/** Updates the tags of one copy. Tags of other people stay. @returns A warning if that failed. */
async function mirrorCopy(
  { client, config }: Connection,
  { os, version, mark, copy }: Marked,
  vms: VmPlace[],
): Promise<string | undefined> {
  const vm = vms.find(candidate => candidate.vmid === copy.vmid)
  if (vm === undefined)
    return `warning: VM ${copy.vmid} of ${version.name} is not in Proxmox, or VM.Audit on it is missing`
  const tags = mirroredTags((vm.tags ?? '').split(';'), {
    site: config.site,
    os,
    digest: version.digest,
    mark,
  })
  if (tags === undefined) return undefined
  try {
    const { description, name } = await getVmConfig(client, vm)
    if (!String(description ?? '').includes(copy.buildId)) {
      return `warning: VM ${copy.vmid} (${name}) is not the one that was built as ${version.name}: left alone`
    }
    await updateVmConfig(client, vm, { tags: tags.join(';') })
    return undefined
  } catch (error) {
    return `warning: the tags of VM ${copy.vmid} were not set: ${messageOf(error)}; the next run tries again`
  }
}
