/** Limits of what VMs may take, for each owner and in all. Pure. */
import type { Quota, Quotas } from '../config/pools.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Entry } from './entry.mts'

type Amounts = Required<Quota>

type Counted = Pick<Entry, 'name' | 'owner' | 'ownerName' | 'design'>

const UNITS: Record<keyof Amounts, string> = {
  vms: 'VMs',
  cores: 'cores',
  memory: 'MiB of memory',
  disk: 'GiB of disk',
}

/**
 * Compares what the living VMs and further ones take with the limits.
 * @param living all VMs of the registry; those that are in `wanted` by name count as they are to be.
 * @throws ProxmintError (usage) that names each limit, what is taken, and what is wanted.
 */
export function requireQuota(quotas: Quotas, living: readonly Counted[], wanted: readonly Counted[]): void {
  const names = new Set(wanted.map(({ name }) => name))
  const others = living.filter(({ name }) => !names.has(name))
  const faults = [
    ...exceeded({ key: 'quotas.total' }, quotas.total, others, wanted),
    ...[...new Set(wanted.flatMap(ownersOf))].flatMap(owner => {
      const of = (one: Counted): boolean => ownersOf(one).includes(owner)
      return exceeded(...quotaOf(quotas, owner), others.filter(of), wanted.filter(of))
    }),
  ]
  if (faults.length === 0) return
  throw new ProxmintError(`${wanted.map(({ name }) => name).join(', ')}: ${faults.join('; ')}`, {
    hint: 'nothing was reserved; destroy VMs that are not needed any more, or raise the limit in config/db.yaml',
    exitCode: exitCodes.usage,
  })
}

/** Checks whether a VM that is changed could exceed a limit: it gets larger, or another owner. */
export function takesMore(before: Counted, after: Counted): boolean {
  const [had, has] = [amountsOf(before), amountsOf(after)]
  const gains = ownersOf(after).some(owner => !ownersOf(before).includes(owner))
  return gains || (Object.keys(has) as (keyof Amounts)[]).some(amount => has[amount] > had[amount])
}

/** Wallet and name of the owner. None: the VM counts in the total alone. Wallets are compared without their checksum. */
function ownersOf({ owner, ownerName }: Counted): string[] {
  return [owner, ownerName].flatMap(one => one?.toLowerCase() ?? [])
}

/** The limit of an owner, with its key in the config and, where all owners have it, whose it is. */
function quotaOf(
  { each_owner, owners = {} }: Quotas,
  owner: string,
): [limit: { key: string; whose?: string }, quota: Quota | undefined] {
  const own = Object.keys(owners).find(one => one.toLowerCase() === owner)
  if (own !== undefined) return [{ key: `quotas.owners.${own}` }, owners[own]]
  return [{ key: 'quotas.each_owner', whose: ` for ${owner}` }, each_owner]
}

function exceeded(
  { key, whose = '' }: { key: string; whose?: string },
  quota: Quota | undefined,
  others: readonly Counted[],
  wanted: readonly Counted[],
): string[] {
  if (quota === undefined) return []
  const [taken, more] = [sumOf(others), sumOf(wanted)]
  return (Object.keys(quota) as (keyof Amounts)[])
    .filter(amount => taken[amount] + more[amount] > quota[amount]!)
    .map(
      amount =>
        `${key}.${amount} is ${quota[amount]}${whose}: ${taken[amount]} ${UNITS[amount]} are taken, ${more[amount]} more are wanted`,
    )
}

function sumOf(entries: readonly Counted[]): Amounts {
  const sum: Amounts = { vms: 0, cores: 0, memory: 0, disk: 0 }
  for (const entry of entries) {
    const own = amountsOf(entry)
    for (const amount of Object.keys(sum) as (keyof Amounts)[]) sum[amount] += own[amount]
  }
  return sum
}

/** What one VM takes. Of a VM that was imported only its number is known. */
function amountsOf({ design }: Counted): Amounts {
  if (design === null) return { vms: 1, cores: 0, memory: 0, disk: 0 }
  const { cores, sockets = 1, memory, disk, disks = [] } = design
  const dataDisks = disks.reduce((sum, { size }) => sum + size, 0)
  return { vms: 1, cores: cores * sockets, memory, disk: disk + dataDisks }
}
