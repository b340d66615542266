import { expect, test } from 'vitest'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { partsOf } from '../../../scripts/lib/vm/look/parts.mts'
import { wishesOf } from '../../../scripts/lib/vm/plan/wishes.mts'
import { askedAmong } from '../../../scripts/lib/vm/shape/asked.mts'
import {
  type DisksOfDesign,
  dataDiskEdits,
  dataDiskSlots,
  detachedDisks,
  withDisksIn,
} from '../../../scripts/lib/vm/shape/data-disks.mts'
import { changesIn } from '../../../scripts/lib/vm/shape/edit.mts'
import { whileOff, whileRunning } from '../../../scripts/lib/vm/shape/live.mts'
import { shapeEdits } from '../../../scripts/lib/vm/shape/shape.mts'
import { failureOf } from '../failure.mts'

const scsi0 = 'tank:vm-100-disk-0,size=10G'
const data = { name: 'data', size: 20 }
const record = { volume: 'tank:vm-100-disk-1', firstSystem: 0 }
const attached = 'tank:vm-100-disk-1,iothread=1,serial=data,size=20G'
const design = (...disks: NonNullable<DisksOfDesign['disks']>): DisksOfDesign => ({ storage: 'tank', disks })
const known = { ...design(data), dataDisks: { data: record } }
const words = (...edits: Parameters<typeof dataDiskEdits>) =>
  changesIn(dataDiskEdits(...edits)).map(
    ({ what, from, to, cost }) => `${what}: ${from} -> ${to}${cost === null ? '' : `, ${cost}`}`,
  )
const settings = (...edits: Parameters<typeof dataDiskEdits>) =>
  Object.assign({}, ...dataDiskEdits(...edits).map(({ set }) => set))

test('a missing disk is made in the first free slot, with its name as serial number', () => {
  const config = { scsi0, scsi1: 'tank:vm-100-disk-7,size=1G', ide2: 'tank:vm-100-cloudinit,media=cdrom' }
  expect(words(design(data), config)).toEqual(['disk data: none -> 20 GiB'])
  expect(settings(design(data), config)).toEqual({ scsi2: 'tank:20,iothread=1,serial=data' })
})

test('two disks get two slots, and what was decided about them', () => {
  const logs = { name: 'logs', size: 5, storage: 'fast', ssd: true, discard: true, backup: false }
  expect(settings(design(data, logs), { scsi0 })).toEqual({
    scsi1: 'tank:20,iothread=1,serial=data',
    scsi2: 'fast:5,iothread=1,serial=logs,ssd=1,discard=on,backup=0',
  })
})

test.each([
  ['in whatever slot', { scsi0, scsi7: attached }],
  ['on another storage, to which somebody moved it', { scsi0, scsi1: attached.replace('tank', 'fast') }],
  ['larger, since somebody grew it', { scsi0, scsi1: attached.replace('20G', '30G') }],
])('a disk that is there is left alone: %s', (_, config) => {
  expect(dataDiskEdits(known, config)).toEqual([])
})

test('a disk grows, and never shrinks', () => {
  const config = { scsi0, scsi1: attached }
  expect(dataDiskEdits(design({ ...data, size: 40 }), config)).toEqual([
    {
      change: { what: 'disk data', from: '20 GiB', to: '40 GiB', cost: null },
      option: 'disks',
      grow: { slot: 'scsi1', gib: 40 },
    },
  ])
  expect(dataDiskEdits(design({ ...data, size: 10 }), config)).toEqual([])
})

test('flags that were decided are set, at what they cost; others stay', () => {
  const config = { scsi0, scsi1: `${attached},discard=on,backup=0` }
  const wanted = design({ ...data, ssd: true, backup: true })
  expect(words(wanted, config)).toEqual(['disk data ssd: 0 -> 1, reboot', 'disk data backup: 0 -> 1'])
  expect(settings(wanted, config)).toEqual({ scsi1: `${attached},discard=on,backup=1,ssd=1` })
})

test('a disk that somebody detached is attached again, with its data', () => {
  const config = { scsi0, unused0: 'tank:vm-100-disk-1' }
  expect(words(known, config)).toEqual(['disk data: detached -> 20 GiB'])
  expect(settings(known, config)).toEqual({ scsi1: 'tank:vm-100-disk-1,iothread=1,serial=data' })
})

test('a disk that is gone is made anew, and the words say that it is empty', () => {
  expect(words(known, { scsi0 })).toEqual(['disk data: none -> 20 GiB, a new empty disk'])
})

test('a disk that somebody attached again without its serial number is known by its volume', () => {
  const config = { scsi0, scsi4: 'tank:vm-100-disk-1,size=20G' }
  expect(words(known, config)).toEqual(['disk data serial: none -> data'])
  expect(settings(known, config)).toEqual({ scsi4: 'tank:vm-100-disk-1,size=20G,serial=data' })
})

const former = { ...design(), dataDisks: { data: record } }

test('a disk that is taken off the list is detached, with the VM powered off, and not deleted', () => {
  const edits = dataDiskEdits(former, { scsi0, scsi1: attached })
  expect(edits).toEqual([
    {
      change: { what: 'disk data', from: '20 GiB', to: 'detached', cost: 'remove' },
      option: 'disks',
      remove: ['scsi1'],
      off: true,
    },
  ])
  expect(changesIn(whileRunning(edits, edits, { scsi0, scsi1: attached })).map(({ cost }) => cost)).toEqual([
    'remove',
    'reboot',
  ])
  expect(changesIn(whileOff(edits)).map(({ cost }) => cost)).toEqual(['remove'])
})

test('a disk of somebody that has got the volume of a former one is left alone', () => {
  expect(dataDiskEdits(former, { scsi0, scsi1: 'tank:vm-100-disk-1,size=4G' })).toEqual([])
  expect(dataDiskEdits(design(), { scsi0, scsi1: attached })).toEqual([])
})

test('drift of a VM has its data disks', () => {
  const network = { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null }
  const config = { scsi0, net0: 'virtio,bridge=vmbr0', cpu: 'host' }
  const changes = changesIn(shapeEdits({ network, disk: 10, cpuType: 'host', ...design(data) }, config))
  expect(changes.map(({ what }) => what)).toEqual(['disk data'])
})

test('attached disks are ours; detached ones are named, and somebody must agree to lose them', () => {
  const config = {
    scsi0,
    scsi1: attached,
    unused0: 'tank:vm-100-disk-5',
    scsi3: 'tank:vm-100-disk-6,size=1G',
  }
  const disks = {
    ...known,
    dataDisks: { data: record, old: { volume: 'tank:vm-100-disk-5', firstSystem: 0 } },
  }
  const parts = partsOf(config, { made: ['scsi0'], added: disks, volumes: [] })
  expect(parts.foreignDisks.map(({ slot }) => slot)).toEqual(['scsi3', 'unused0'])
  expect(dataDiskSlots(disks, config)).toEqual(new Map([['scsi1', 'data']]))
  expect(detachedDisks(disks, config)).toEqual(new Map([['unused0', 'old']]))
})

test('the volumes of new disks are written down, with the first system that mounts them', () => {
  expect(withDisksIn(design(data), { scsi0, scsi1: attached }, 2).dataDisks).toEqual({
    data: { volume: 'tank:vm-100-disk-1', firstSystem: 2 },
  })
  expect(withDisksIn(known, { scsi0, scsi1: attached }, 2)).toEqual(known)
  expect(withDisksIn({ storage: 'tank' }, { scsi0 }, 0)).toEqual({ storage: 'tank' })
})

test('what somebody grew or moved is taken over', () => {
  const config = { scsi0, scsi1: 'fast:vm-100-disk-0,serial=data,size=30G' }
  const taken = withDisksIn(known, config, 1)
  expect(taken.disks).toEqual([{ name: 'data', size: 30, storage: 'fast' }])
  expect(taken.dataDisks).toEqual({ data: { volume: 'fast:vm-100-disk-0', firstSystem: 0 } })
})

test('a former disk is known as long as Proxmox has it', () => {
  expect(withDisksIn(former, { scsi0, unused0: 'tank:vm-100-disk-1' }, 1).dataDisks).toEqual({ data: record })
  expect(withDisksIn(former, { scsi0 }, 1).dataDisks).toEqual({})
})

const spec = {
  ...{ name: 'vm', summary: '', usage: '', positionals: 0, uses: [], writes: [], example: '' },
  options: createFlags(),
}
const wished = (line: string) => wishesOf(parseArguments(spec, line.split(' '))).disks

test('flags become disks', () => {
  expect(
    wished('--data-disk name=data,size=20,mount=/var/lib/app,keep=on --data-disk name=b,size=1,ssd=off'),
  ).toEqual([
    { name: 'data', size: 20, mount: '/var/lib/app', keep: true },
    { name: 'b', size: 1, ssd: false },
  ])
})

test.each([
  'name=data',
  'size=1',
  'name=Data,size=1',
  `name=${'a'.repeat(21)},size=1`,
  'name=a,size=1,mount=data',
  'name=a,size=1,mount=/',
  'name=a,size=1,mount=/a/../etc',
  'name=a,size=1,mount=/data/',
])('%s is no disk', async text => {
  await failureOf(() => wished(`--data-disk ${text}`))
})

test('a disk with the serial number of another one is that one, whatever its volume', () => {
  const config = { scsi0, scsi1: 'tank:vm-100-disk-1,serial=logs,size=20G' }
  expect(words(known, config)).toEqual(['disk data: none -> 20 GiB, a new empty disk'])
})

test('a change that is asked for again costs what it costs, although the entry has it already', () => {
  const former = { ...design(), dataDisks: { data: record } }
  const config = { scsi0, scsi1: attached }
  const edits = whileRunning(dataDiskEdits(former, config), dataDiskEdits(former, config), config)
  const costs = (asked: string[]) => changesIn(askedAmong(edits, edits, asked)).map(({ cost }) => cost)
  expect(costs(['disks'])).toEqual(['remove', 'reboot'])
  expect(costs(['memory'])).toEqual([])
})
