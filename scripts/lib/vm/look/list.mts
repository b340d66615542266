import { byExpiry, expiryDay, expiryMs, isExpired, SOON_MS } from '../../registry/due.mts'
import {
  cpuTypeOf,
  type DataDisk,
  type Entry,
  phaseText,
  type Rebuild,
  type VmDesign,
} from '../../registry/entry.mts'
import { counted } from '../../run/counted.mts'
import { DAY_MS } from '../../run/duration.mts'
import { formatTable } from '../../run/table.mts'
import { deviceName } from '../shape/devices.mts'

/** Formats living VMs as a table. */
export function formatVms(entries: Entry[], now: Date): string {
  if (entries.length === 0) return 'no VM fits; to make one: zx scripts/vm.mts create NAME'
  const rows = entries.map(entry => [
    entry.name,
    entry.failure === null ? phaseText(entry) : `${phaseText(entry)} (${entry.failure.step} failed)`,
    String(entry.vmid),
    entry.node ?? '',
    entry.address,
    expiryOf(entry, now),
    templateOf(entry) ?? '',
    entry.ownerName ?? entry.owner ?? '',
  ])
  const table = formatTable(
    ['name', 'phase', 'VMID', 'node', 'address', 'expires', 'template', 'owner'],
    rows,
  )
  return [table, ...soonLines(entries, now), ...backupLines(entries)].join('\n')
}

/** Names the VMs that expire within the next days, while they can still be extended. */
function soonLines(entries: Entry[], now: Date): string[] {
  const soon = entries
    .filter(entry => entry.phase !== 'destroyed' && !isExpired(entry, now))
    .filter(entry => expiryMs(entry) <= now.getTime() + SOON_MS)
    .sort(byExpiry)
    .map(({ name }) => name)
  if (soon.length === 0) return []
  return [
    '',
    `within 7 days ${soon.length === 1 ? 'expires' : 'expire'}: ${soon.join(', ')}; to keep a VM: ` +
      'zx scripts/vm.mts extend NAME --days N',
  ]
}

/** Names the destroyed VMs that can be brought back, each once. */
function backupLines(entries: Entry[]): string[] {
  const kept = entries.filter(({ phase, backup }) => phase === 'destroyed' && backup !== undefined)
  const names = [...new Set(kept.map(({ name }) => name))]
  if (names.length === 0) return []
  return ['', `with a backup: ${names.join(', ')}; to bring one back: zx scripts/vm.mts restore NAME`]
}

/** Names the VM template; one that is in no lockfile by its VMID. Undefined for a VM that was imported or adopted. */
function templateOf({ template, design }: Entry): string | undefined {
  if (template !== null) return template.version
  return design?.template == null ? undefined : `VM template ${design.template.vmid}`
}

/** Formats the expiry: `2026-12-22, in 30 days`, or `never`. */
function expiryOf(entry: Entry, now: Date): string {
  if (entry.expiresAt === null) return 'never'
  const days = (expiryMs(entry) - now.getTime()) / DAY_MS
  const when = days < 0 ? `${counted(Math.ceil(-days), 'day')} ago` : `in ${counted(Math.ceil(days), 'day')}`
  return `${expiryDay(entry)}, ${when}`
}

/** Formats all that the registry knows of a VM. @param more facts from Proxmox, state and chain. */
export function formatVm(entry: Entry, now: Date, more: [string, string | undefined][] = []): string {
  const { failure, design } = entry
  const facts: [string, string | undefined][] = [
    ['phase', phaseText(entry)],
    ['failed', failure === null ? undefined : `${failure.step}, ${failure.at}: ${failure.why}`],
    ['VMID', `${entry.vmid} on ${entry.node}`],
    ['address', `${entry.address} (pool ${entry.pool})`],
    ['networks', networksText(entry)],
    ['expires', expiryOf(entry, now)],
    ['template', templateOf(entry)],
    ['rebuild', entry.rebuild === undefined ? undefined : rebuildText(entry.rebuild)],
    ['old disk', entry.previous === undefined ? undefined : previousText(entry)],
    ['owner', ownerOf(entry)],
    ['token', entry.token === null ? undefined : tokenText(entry)],
    ['to sign', entry.phase === 'reserved' ? design?.access?.decryptMessage : undefined],
    ['backup', entry.backup === undefined ? undefined : `${entry.backup.volid}, ${entry.backup.at}`],
    ['purpose', entry.purpose || undefined],
    ['notes', design?.notes?.trim() || undefined],
    ['cloud-init', design?.cloudInit.template],
    ['at rebuild', design?.atRebuild && atRebuildText(design.atRebuild)],
    [
      'size',
      design === null
        ? undefined
        : `${counted(design.cores, 'core')}, ${design.memory} MiB, ${design.disk} GiB, CPU ${cpuTypeOf(design)}`,
    ],
    ['disks', design?.disks?.map(dataDiskText).join('\n') || undefined],
    ['devices', design?.devices?.map(deviceName).join(', ') || undefined],
    ...more,
  ]
  const known = facts.filter((fact): fact is [string, string] => fact[1] !== undefined)
  return [
    entry.name,
    // A message of Terraform has several lines.
    ...known.map(
      ([label, value]) => `  ${label.padEnd(10)} ${value.replaceAll('\n', `\n${' '.repeat(13)}`)}`,
    ),
    '  history',
    ...entry.history.map(({ at, what }) => `    ${at}  ${what.split('\n')[0]}`),
  ].join('\n')
}

function ownerOf({ ownerName, owner }: Entry): string | undefined {
  return [ownerName, owner].filter(Boolean).join(', ') || undefined
}

/** What the next rebuild takes: `username ops, vars port=8080`. */
function atRebuildText({ cloudInit }: NonNullable<VmDesign['atRebuild']>): string {
  const text = (value: unknown): string =>
    typeof value !== 'object'
      ? String(value)
      : Object.entries(value as object)
          .map(([key, one]) => `${key}=${one}`)
          .join(' ')
  return Object.entries(cloudInit)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? counted(value.length, 'key') : text(value)}`)
    .join(', ')
}

/** `data: 20 GiB on fast, mounted on /data, kept`. */
function dataDiskText({ name, size, storage, mount, keep }: DataDisk): string {
  const parts = [
    `${size} GiB${storage === undefined ? '' : ` on ${storage}`}`,
    mount && `mounted on ${mount}`,
    keep && 'kept',
  ]
  return `${name}: ${parts.filter(Boolean).join(', ')}`
}

function rebuildText({ kind, from, to, spareVmid, swapped }: Rebuild): string {
  const spare = spareVmid === undefined || swapped ? '' : `; spare VM ${spareVmid}`
  return `not finished: ${kind} from ${from} to ${to}${spare}`
}

/** The root disk of before, with the command that swaps back. */
function previousText({ name, previous }: Entry): string {
  const { version, volume, until } = previous!
  return `${version} on ${volume}, kept until ${until.slice(0, 10)}: zx scripts/vm.mts rebuild ${name} --undo`
}

/** One line for each card; undefined for a VM with one card and one address. */
function networksText({ design, pool, address, addresses = [] }: Entry): string | undefined {
  if (design?.cards === undefined && addresses.length === 0) return undefined
  const all = [{ card: 0, pool, address, leaving: undefined }, ...addresses]
  const cards = design?.cards ?? [undefined]
  return cards
    .map((card, number) => {
      const own = all.filter(one => one.card === number)
      const dynamic = [card?.ip && `IPv4 by ${card.ip}`, card?.ip6 && `IPv6 by ${card.ip6}`].filter(Boolean)
      const held = own.map(
        one => `${one.address} (pool ${one.pool}${one.leaving ? ', until its next boot' : ''})`,
      )
      const has = [...held, ...dynamic]
      const place =
        card === undefined ? '' : ` on ${card.bridge}${card.vlan === null ? '' : `, VLAN ${card.vlan}`}`
      return `net${number}: ${has.length === 0 ? 'no address' : has.join(', ')}${place}`
    })
    .join('\n')
}

function tokenText({ token, design }: Entry): string {
  const { status, id } = token!
  const where =
    design?.access == null ? '' : ` of ${design.access.contract} on chain ${design.access.chainId}`
  return id === null
    ? `${status === 'failed' ? 'its mint failed' : 'not minted yet'}${where}`
    : `${id}${where}, ${status}`
}
