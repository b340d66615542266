import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { messageOf } from '../run/errors.mts'
import type { Connection } from '../site/connect.mts'
import { mirroredTags } from '../templates/tags.mts'
import { terraformVariables } from '../templates/terraform-variables.mts'
import {
  type Families,
  type TemplateCopy,
  type TemplateVersion,
  versionMark,
  versionsOf,
} from '../templates/version.mts'

/**
 * Brings what is derived from the lockfile up to it: the tags in Proxmox, and the variables of Terraform. The
 * lockfile is the truth, so a mirror that fails undoes nothing; the next run mends it.
 * @returns a warning per copy whose tags could not be set.
 */
export async function mirrorLockfile(
  connection: Connection,
  lockfile: string,
  families: Families,
): Promise<string[]> {
  return [...(await writeVariables(lockfile, families)), ...(await mirrorTags(connection, families))]
}

/** Names the file of Terraform's variables, in `terraform/` beside the folder of the config. */
function variablesFile(lockfile: string): string {
  return join(dirname(lockfile), '..', 'terraform', 'templates.auto.tfvars.json')
}

async function writeVariables(lockfile: string, families: Families): Promise<string[]> {
  // A project that does not use Terraform has no such folder, and needs none.
  if (!existsSync(dirname(variablesFile(lockfile)))) return []
  const text = `${JSON.stringify(terraformVariables(families), null, 2)}\n`
  try {
    await writeFileAtomic(variablesFile(lockfile), text)
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
    const vms = await listVms(connection.client)
    const told = await Promise.all(wanted.map(marked => mirrorCopy(connection, marked, vms)))
    return told.filter(line => line !== undefined)
  } catch (error) {
    return [`warning: the tags in Proxmox were not brought up to the lockfile: ${messageOf(error)}`]
  }
}

/** Sets the tags of one copy where they differ. Tags that somebody added stay. */
async function mirrorCopy(
  { client, config }: Connection,
  { os, version, mark, copy }: Marked,
  vms: VmSummary[],
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
    const { description } = await getVmConfig(client, vm)
    if (!String(description ?? '').includes(copy.buildId)) {
      return `warning: VM ${copy.vmid} (${vm.name}) is not the one that was built as ${version.name}: left alone`
    }
    await updateVmConfig(client, vm, { tags: tags.join(';') })
    return undefined
  } catch (error) {
    return `warning: the tags of VM ${copy.vmid} were not set: ${messageOf(error)}; the next run tries again`
  }
}
