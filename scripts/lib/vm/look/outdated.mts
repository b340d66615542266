import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { ownValue } from '../../run/own-value.mts'
import { formatTable } from '../../run/table.mts'
import { type Families, versionsOf } from '../../templates/version.mts'

/** A VM that is to move to another version of its template, and why. */
interface OutdatedVm extends Entry {
  outdated: {
    /** The version that new VMs of the family are made from; null: there is none, or it is revoked as well. */
    current: string | null
    /** The reason why the VM's own version was revoked; null: it was not. */
    revoked: string | null
  }
}

/**
 * Lists the VMs that are not on the current version of their family, or on one that was revoked. A VM from a VM template
 * that is in no lockfile is left out: nobody can tell.
 */
export function outdatedIn(families: Families, entries: Entry[]): OutdatedVm[] {
  return entries.flatMap(entry => {
    const outdated = outdatedBy(families, entry)
    return outdated === undefined ? [] : [{ ...entry, outdated }]
  })
}

function outdatedBy(families: Families, { template }: Entry): OutdatedVm['outdated'] | undefined {
  const family = ownValue(families, template?.family ?? '')
  if (template === null || family === undefined) return undefined
  const own = versionsOf(family).find(({ name }) => name === template.version)
  const current = family.current?.revoked === undefined ? (family.current?.name ?? null) : null
  const revoked = own?.revoked?.reason ?? null
  const isBehind = current !== null && current !== template.version
  return isBehind || revoked !== null ? { current, revoked } : undefined
}

/** Lists the reasons of all revoked versions, by the name of the version. */
export function revokedVersions(families: Families): Map<string, string> {
  const revoked = Object.values(families)
    .flatMap(versionsOf)
    .filter(version => version.revoked !== undefined)
  return new Map(revoked.map(({ name, revoked }) => [name, revoked!.reason]))
}

/** @throws ProxmintError (invalid) where the version that a VM is to be made from was revoked. */
export function requireNotRevoked({ name, template }: Entry, families: Families): void {
  const reason = revokedVersions(families).get(template?.version ?? '')
  if (reason === undefined) return
  throw new ProxmintError(`${name} was to be made from ${template!.version}, which is revoked`, {
    facts: { reason },
    hint: `zx scripts/vm.mts rebuild ${name} makes it from the current version`,
    exitCode: exitCodes.invalid,
  })
}

/** Formats a row per VM with the reason. */
export function formatOutdated(vms: OutdatedVm[]): string {
  if (vms.length === 0) return 'every VM is on the current version of its template'
  const rows = vms.map(vm => [vm.name, vm.phase, String(vm.vmid), vm.template!.version, reasonFor(vm)])
  return formatTable(['name', 'phase', 'VMID', 'template', 'why'], rows)
}

function reasonFor({ template, outdated: { current, revoked } }: OutdatedVm): string {
  const instead = current === null ? `${template!.family} has no other yet` : `current is ${current}`
  return revoked === null ? instead : `revoked: ${revoked}; ${instead}`
}
