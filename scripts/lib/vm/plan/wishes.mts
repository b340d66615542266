import { checkedAddress } from '../../chain/wallet.mts'
import { formatAddress, parseAddress } from '../../config/addresses.mts'
import { type FleetVm, loadFleet } from '../../config/fleet.mts'
import { uniqueKeysOf } from '../../config/network-fields.mts'
import { valueAt } from '../../config/paths.mts'
import { MAP_NAME, type RecordField, type VmOption, type VmOptionTable } from '../../config/vm-option.mts'
import { VM_OPTIONS } from '../../config/vm-options.mts'
import { type Arguments, usageError, wordAfterVerb } from '../../run/command-line.mts'
import { daysOf, NEVER } from '../../run/duration.mts'
import { exitCodes } from '../../run/errors.mts'
import type { VmWishes } from './design.mts'
import { type NumberForm, numberWithin, recordOf } from './record-flag.mts'

const name = 'vm'

/** Returns the VMs that are named, and those of a fleet file, whose keys count more than the flags. */
export async function wantedVms(args: Arguments): Promise<Map<string, VmWishes>> {
  const general = wishesOf(args)
  const from = args.string('from')
  const names = from === undefined ? [wordAfterVerb({ name }, args, 'a name')] : []
  const wanted = new Map([...names, ...args.positionals.slice(1)].map(vm => [vm, general]))
  const fleet = from === undefined ? [] : await loadFleet(from)
  for (const [vm, own] of fleet) wanted.set(vm, wishesWith(general, own))
  if (wanted.size > 1) requireNothingUnique(general)
  return wanted
}

function requireNothingUnique(wishes: VmWishes): void {
  const ofCards = (wishes.networks ?? []).flatMap(uniqueKeysOf)
  if (ofCards.length > 0) throw usageError({ name }, `--network ${ofCards[0]}=... is for one VM`)
  const unique = Object.entries<VmOption>(VM_OPTIONS).filter(([, option]) => option.unique)
  if (unique.every(([wish]) => valueAt(wishes, wish) === undefined)) return
  const flags = unique.map(([, { names }]) => `--${names.flag}`)
  throw usageError({ name }, `${flags.join(' and ')} are for one VM`)
}

/** Takes the keys of a fleet file, or else the flags. */
export function wishesWith(general: VmWishes, own: FleetVm, table: VmOptionTable = VM_OPTIONS): VmWishes {
  const { web3, owner_wallet: wallet } = own
  const merged = eachFlag(table, ({ kind, names: { fleetKey = '' }, unique, onWhen = true }, wish) => {
    const [given, flag] = [valueAt(own, fleetKey), valueAt(general, wish)]
    if (kind === 'list') return [...(flag as string[]), ...((given as string[] | undefined) ?? [])]
    if (kind === 'map') return flag === undefined ? given : { ...flag, ...(given as object | undefined) }
    if (kind === 'switch' && given !== undefined) return given === onWhen
    if (given === NEVER) return daysOf(NEVER)
    return unique ? given : (given ?? flag)
  })
  return {
    ...merged,
    owner: ownerOf(general, own),
    noCredential: web3 === false || (general.noCredential && wallet === undefined),
    mintLater: web3 !== false && general.mintLater,
  }
}

function ownerOf({ owner }: VmWishes, { owner_wallet: wallet, web3 }: FleetVm): string | undefined {
  if (web3 === false) return undefined
  return wallet === undefined ? owner : checkedAddress('owner_wallet', wallet, exitCodes.invalid)
}

/** Reads the flags. @throws ProxmintError (usage) for a value that no VM could have. */
export function wishesOf(args: Arguments, table: VmOptionTable = VM_OPTIONS): VmWishes {
  return eachFlag(table, (option, _, flag) => wishOf(args, option, flag))
}

/** Makes wishes of a value for each option that has a flag. */
function eachFlag(
  table: VmOptionTable,
  read: (option: VmOption, wish: string, flag: string) => unknown,
): VmWishes {
  const values = Object.entries(table).flatMap(([wish, option]) => {
    const { flag } = option.names
    return flag === undefined ? [] : [[wish, read(option, wish, flag)]]
  })
  return Object.fromEntries(values)
}

function wishOf(args: Arguments, option: VmOption, flag: string): unknown {
  if (option.kind === 'switch') return args.flag(flag)
  if (option.kind === 'integer') return args.integer(flag, option.range)
  if (option.kind === 'records') return recordsOf(args, flag, option.fields)
  if (option.kind === 'map') return mapOf(args, option, flag)
  if (option.kind === 'list') {
    const words = args.strings(flag).flatMap(text => text.split(/[\s,]+/).filter(Boolean))
    return words.map(word => checkedText(option, flag, word))
  }
  const text = args.string(flag)
  if (text === undefined) return undefined
  if (option.kind === 'toggle') return text === 'on'
  if (option.kind === 'number') return numberOf(flag, text, option)
  if (option.kind === 'address') return checkedIp(flag, text)
  return option.kind === 'wallet' ? checkedAddress(`--${flag}`, text) : checkedText(option, flag, text)
}

function recordsOf(args: Arguments, flag: string, fields: Readonly<Record<string, RecordField>>): unknown {
  const records = args.strings(flag).map(text => recordOf(flag, text, fields))
  return records.length === 0 ? undefined : records
}

function mapOf(args: Arguments, option: VmOption, flag: string): Record<string, string> | undefined {
  const pairs = args.strings(flag).map((text): [string, string] => {
    const [, name, value] = /^([^=]*)=([\s\S]*)$/.exec(text) ?? []
    if (name === undefined || value === undefined || !new RegExp(MAP_NAME).test(name)) {
      throw usageError(
        { name: 'vm' },
        `--${flag} ${text} is not NAME=TEXT, with small letters, digits and _ as NAME`,
      )
    }
    return [name, checkedText(option, flag, value)]
  })
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}

function numberOf(flag: string, text: string, option: NumberForm): number {
  const number = numberWithin(option, text)
  if (number !== undefined) return number
  const { min, max } = option.range
  throw usageError({ name }, `option \`--${flag}\` takes a number from ${min} to ${max}, not \`${text}\``)
}

function checkedIp(flag: string, text: string): string {
  const address = parseAddress(text)
  if (address === undefined) throw usageError({ name }, `--${flag} ${text} is no address`)
  return formatAddress(address)
}

function checkedText({ pattern, wording }: VmOption, flag: string, text: string): string {
  if (pattern === undefined || wording === undefined || new RegExp(pattern).test(text)) return text
  throw usageError({ name }, `--${flag} ${text} is no ${wording}`)
}
