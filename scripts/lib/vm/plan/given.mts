/** Compares what a person gives to `vm create` with a VM that exists. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { valueAt } from '../../config/paths.mts'
import type { VmOption } from '../../config/vm-option.mts'
import { VM_OPTIONS } from '../../config/vm-options.mts'
import { expiryMs } from '../../registry/due.mts'
import type { Entry } from '../../registry/entry.mts'
import { designAtRebuild, wasMade } from '../../registry/entry.mts'
import { DAY_MS, NEVER } from '../../run/duration.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { VmWishes } from './design.mts'

/** A given option that the VM does not have. */
export interface GivenDifference {
  /** Name of the flag: `memory`. */
  flag: string
  given: string
  /** Value of the VM; undefined: nobody knows it. */
  has: string | undefined
}

type Wish = keyof VmWishes

/** Lists the given options that differ from the VM. Options that were not given are not compared. */
export function givenDifferences(entry: Entry, wishes: VmWishes): GivenDifference[] {
  const options = Object.entries<VmOption>(VM_OPTIONS) as [Wish, VmOption][]
  return options.flatMap(([wish, option]) => {
    const given = valueAt(wishes, wish)
    const { flag } = option.names
    if (flag === undefined || !isGiven(option, given) || hasAlready(entry, wish, given)) return []
    return [{ flag, given: wishText(given), has: hasText(entry, wish) }]
  })
}

/** Checks whether a person decided an option. A switch is only ever turned on; a toggle is turned off, too. */
export function isGiven({ kind }: Pick<VmOption, 'kind'>, value: unknown): boolean {
  if (value === undefined || (kind === 'switch' && value === false)) return false
  return !(Array.isArray(value) && value.length === 0)
}

/** Checks whether the VM has what was given, or more of it. */
export function hasAlready(entry: Entry, wish: Wish, given: unknown): boolean {
  if (wish === 'node' && given === 'auto') return true
  const has = valueIn(entry, wish)
  if (wish === 'tags') return (given as string[]).every(tag => (has as string[] | undefined)?.includes(tag))
  // A VM that was extended has what was given, and more.
  if (wish === 'expiryDays') return Math.round(Number(has)) >= Number(given)
  return isDeepStrictEqual(has, given)
}

/** Value of a VM for an option; undefined if nobody knows it. */
function valueIn(entry: Entry, wish: Wish): unknown {
  const { design, template } = entry
  const own: Partial<Record<Wish, unknown>> = {
    template: template?.family,
    templateVmid: template === null ? design?.template?.vmid : undefined,
    node: entry.node,
    pool: entry.pool,
    address: entry.address,
    vmid: entry.vmid,
    purpose: entry.purpose,
    owner: entry.owner ?? undefined,
    ownerName: entry.ownerName ?? '',
    notes: design?.notes ?? '',
    expiryDays: (expiryMs(entry) - Date.parse(entry.createdAt)) / DAY_MS,
    noCredential: design === null ? undefined : design.access === null,
    mintLater: design?.access?.mintLater,
    noLogin: design === null ? undefined : design.noLogin === true,
  }
  if (wish in own) return own[wish]
  const { attribute } = VM_OPTIONS[wish].names as VmOption['names']
  return attribute === undefined || design === null ? undefined : valueAt(designAtRebuild(design), attribute)
}

/** Value of a VM for an option, in words. */
export function hasText(entry: Entry, wish: Wish): string | undefined {
  if (wish === 'owner' && entry.owner === null) return 'no wallet'
  if (wish === 'noCredential' && entry.design?.access != null) return 'a wallet'
  if (wish === 'expiryDays' && entry.expiresAt === null) return NEVER
  if (wish === 'expiryDays') return `${Math.round(Number(valueIn(entry, wish)))} days`
  const value = valueIn(entry, wish)
  return value === undefined ? undefined : wishText(value)
}

/** A value in words. */
export function wishText(value: unknown): string {
  if (Array.isArray(value)) return value.map(recordText).join(', ')
  if (value === Number.POSITIVE_INFINITY) return NEVER
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, one]) => `${key}=${one}`)
      .join(', ')
  }
  return value === true ? 'yes' : value === false ? 'no' : String(value)
}

/** One word of a list, or one record as its flag takes it: `name=data,size=20`. */
function recordText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, one]) => `${key}=${typeof one === 'boolean' ? (one ? 'on' : 'off') : one}`)
    .join(',')
}

/** Formats a difference: `memory: given 4096, web-1 has 2048`. */
export function givenText({ name }: Entry, { flag, given, has }: GivenDifference): string {
  const known = has === undefined ? `of ${name} it is not known` : `${name} has ${has === '' ? 'none' : has}`
  return `${flag}: given ${given}, ${known}`
}

/** @throws ProxmintError (invalid) that names each given option that the VM does not have, and what changes it. */
export function requireGiven(entry: Entry, wishes: VmWishes): void {
  const differences = givenDifferences(entry, wishes)
  if (differences.length === 0) return
  const lines = differences.map(one => `  - ${givenText(entry, one)}`)
  throw new ProxmintError(`${entry.name} exists, and differs from what was given:\n${lines.join('\n')}`, {
    hint: `nothing was changed; ${hintFor(entry, differences)}`,
    exitCode: exitCodes.invalid,
  })
}

function hintFor(entry: Entry, differences: GivenDifference[]): string {
  const { name } = entry
  const flags = differences.map(({ flag }) => flag)
  const destroy = `zx scripts/vm.mts destroy ${name}`
  if (!wasMade(entry)) return `it was only reserved, so nothing is lost: ${destroy}, then create it again`
  const others = flags.filter(flag => flag !== 'expiry-days')
  const extend = flags.includes('expiry-days') ? [`longer: zx scripts/vm.mts extend ${name} --days N`] : []
  const change =
    others.length === 0
      ? []
      : [
          `what a change costs: zx scripts/vm.mts change ${name} ${others.map(flag => `--${flag} ...`).join(' ')} --plan-only. ` +
            'To keep the VM as it is, leave the options out',
        ]
  return [...extend, ...change].join('; ')
}
