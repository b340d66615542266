/** Limits of what VMs may take, for each owner and in all. Pure. */
import type { Quota, Quotas } from '../config/pools.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Entry } from './entry.mts'

type Amounts = Required<Quota>

type Counted = Pick<Entry, 'name' | 'owner' | 'design'>

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
    ...exceeded('quotas.total', quotas.total, others, wanted),
    ...[...new Set(wanted.flatMap(one => ownerOf(one) ?? []))].flatMap(owner => {
      const [key, quota] = quotaOf(quotas, owner)
      const of = (one: Counted): boolean => ownerOf(one) === owner
      return exceeded(key, quota, others.filter(of), wanted.filter(of))
    }),
  ]
  if (faults.length === 0) return
  throw new ProxmintError(`${wanted.map(({ name }) => name).join(', ')}: ${faults.join('; ')}`, {
    hint: 'nothing was reserved; destroy VMs that are not needed any more, or raise the limit in config/db.yaml',
    exitCode: exitCodes.usage,
  })
}

/** Who a VM belongs to; undefined: it counts in the total alone. Wallets are compared without their checksum. */
function ownerOf({ owner }: Counted): string | undefined {
  return owner?.toLowerCase() ?? undefined
}

function quotaOf(
  { each_owner, owners = {} }: Quotas,
  owner: string,
): [key: string, quota: Quota | undefined] {
  const own = Object.keys(owners).find(one => one.toLowerCase() === owner)
  return own === undefined ? ['quotas.each_owner', each_owner] : [`quotas.owners.${own}`, owners[own]]
}

function exceeded(
  key: string,
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
        `${key}.${amount} is ${quota[amount]}: ${taken[amount]} ${UNITS[amount]} are taken, ${more[amount]} more are wanted`,
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
  const { cores, sockets = 1, memory, disk } = design
  return { vms: 1, cores: cores * sockets, memory, disk }
}
