import { checkedAddress } from '../../chain/wallet.mts'
import { formatAddress, parseAddress } from '../../config/addresses.mts'
import { type FleetVm, loadFleet } from '../../config/fleet.mts'
import { type Arguments, usageError, wordAfterVerb } from '../../run/command-line.mts'
import { exitCodes } from '../../run/errors.mts'
import type { VmWishes } from './design.mts'

const name = 'vm'

/** The VMs that are named, and those of a fleet file, whose own words count more than the options. */
export async function wantedVms(args: Arguments): Promise<Map<string, VmWishes>> {
  const general = wishesOf(args)
  const from = args.string('from')
  const names = from === undefined ? [wordAfterVerb({ name }, args, 'a name')] : []
  const wanted = new Map([...names, ...args.positionals.slice(1)].map(vm => [vm, general]))
  const fleet = from === undefined ? [] : await loadFleet(from)
  for (const [vm, own] of fleet) wanted.set(vm, wishesWith(general, own))
  if (wanted.size > 1 && (general.address ?? general.vmid) !== undefined) {
    throw usageError({ name }, '--ip and --vmid are for one VM')
  }
  return wanted
}

function wishesWith(general: VmWishes, own: FleetVm): VmWishes {
  return {
    owner: ownerOf(general, own),
    noCredential: own.web3 === false || (general.noCredential && own.owner_wallet === undefined),
    mintLater: own.web3 !== false && general.mintLater,
    purpose: own.purpose ?? general.purpose,
    cores: own.cpu ?? general.cores,
    cpuType: own.cpu_type ?? general.cpuType,
    memory: own.memory ?? general.memory,
    disk: own.disk ?? general.disk,
    tags: [...general.tags, ...(own.tags ?? [])],
    expiryDays: own.expiry_days ?? general.expiryDays,
    username: own.username ?? general.username,
    node: own.node ?? general.node,
    pool: own.pool ?? general.pool,
    address: own.ip,
    vmid: own.vmid,
    template: own.template ?? general.template,
    templateVmid: own.template_vmid ?? general.templateVmid,
    cloudInitTemplate: own.cloud_init ?? general.cloudInitTemplate,
  }
}

function ownerOf({ owner }: VmWishes, { owner_wallet: wallet, web3 }: FleetVm): string | undefined {
  if (web3 === false) return undefined
  return wallet === undefined ? owner : checkedAddress('owner_wallet', wallet, exitCodes.invalid)
}

/** What the options say. */
export function wishesOf(args: Arguments): VmWishes {
  const address = args.string('ip')
  const wallet = args.string('owner-wallet')
  const parsed = address === undefined ? undefined : parseAddress(address)
  if (address !== undefined && parsed === undefined)
    throw usageError({ name }, `--ip ${address} is no address`)
  return {
    owner: wallet === undefined ? undefined : checkedAddress('--owner-wallet', wallet),
    noCredential: args.flag('no-web3'),
    mintLater: args.flag('skip-mint'),
    purpose: args.string('purpose'),
    cores: args.integer('cpu', { min: 1, max: 1024 }),
    cpuType: checked('cpu-type', args.string('cpu-type')),
    memory: args.integer('memory', { min: 64, max: 16_777_216 }),
    disk: args.integer('disk', { min: 1, max: 1_048_576 }),
    tags: args.strings('tags').flatMap(text =>
      text
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(tag => checked('tags', tag)),
    ),
    expiryDays: args.integer('expiry-days', { min: 1, max: 36_500 }),
    username: checked('username', args.string('username')),
    node: args.string('node'),
    pool: args.string('pool'),
    address: parsed === undefined ? undefined : formatAddress(parsed),
    vmid: args.integer('vmid', { min: 100, max: 999_999_999 }),
    template: args.string('template'),
    templateVmid: args.integer('template-vmid', { min: 100, max: 999_999_999 }),
    cloudInitTemplate: args.string('cloud-init'),
  }
}

/** As the schemas of a fleet file and of config/vm.yaml have them. */
const words = {
  // Whether a node has the model is for Proxmox to say; this keeps options and lists of them out of it.
  'cpu-type': { pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]*$/, what: 'CPU model: x86-64-v2-AES, host' },
  tags: {
    pattern: /^[a-z0-9_][a-z0-9_.+-]*$/,
    what: 'tag: small letters, digits and _, and from the second on also . + -',
  },
  username: {
    pattern: /^[a-z_][a-z0-9_-]{0,31}$/,
    what: 'login name: at most 32 small letters, digits, _ and -, and no digit or - in front',
  },
}

/** @throws ProxmintError (usage) for a word that no VM could have. */
function checked<T extends string | undefined>(option: keyof typeof words, text: T): T {
  const { pattern, what } = words[option]
  if (text === undefined || pattern.test(text)) return text
  throw usageError({ name }, `--${option} ${text} is no ${what}`)
}
