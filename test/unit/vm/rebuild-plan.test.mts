import { expect, test } from 'vitest'
import type { Rebuild, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { idInMark, isMarked } from '../../../scripts/lib/registry/identity.mts'
import {
  isPreviousDue,
  rebuildBegun,
  rebuildEnded,
  rebuildSwapped,
  spareMark,
  spareName,
  spareNotes,
} from '../../../scripts/lib/registry/rebuild.mts'
import {
  newCpuType,
  nextStep,
  preparationOf,
  type RebuildSight,
  settingsFor,
} from '../../../scripts/lib/vm/rebuild/plan.mts'
import { undoOf } from '../../../scripts/lib/vm/rebuild/undo.mts'
import { entry, now } from '../registry/entries.mts'

const OLD = 'tank:vm-100-disk-0'
const NEW = 'tank:vm-100-disk-1'
const system = {
  template: { family: 'debian', version: 'debian-2' },
  source: { vmid: 9002, node: 'pve' },
  cloudInit: { sshAuthorizedKeys: ['ssh-ed25519 B'] } as VmDesign['cloudInit'],
  number: 1,
}
const rebuild: Rebuild = {
  ...{ kind: 'rebuild', from: 'debian-1', to: 'debian-2', spareVmid: 101 },
  ...{ disk: `${OLD},discard=on,iothread=1,size=20G`, boot: 'order=scsi0;ide2', system },
}
const undo: Rebuild = { ...rebuild, kind: 'undo', volume: NEW }
const ready = { scsi0: 'tank:vm-101-disk-0,size=20G' }
const spare = (config: Record<string, string | number> = ready, more = {}) => ({
  ...{ node: 'pve', isOurs: true, config, ...more },
})
const sight = (config: Record<string, string>, found?: RebuildSight['spare']): RebuildSight => ({
  ...{ node: 'pve', config, spare: found },
})
const before = { scsi0: rebuild.disk, boot: 'order=scsi0;ide2' }
const detached = { unused0: OLD, boot: 'order=ide2' }
const moved = { ...detached, scsi0: `${NEW},size=20G` }
const attached = { unused0: OLD, scsi0: `${NEW},discard=on,iothread=1,size=20G`, boot: 'order=scsi0;ide2' }

test.each<[string, string, Rebuild, RebuildSight]>([
  ['clone', 'nothing was done', rebuild, sight(before)],
  ['renumber', 'a stranger has the VMID', rebuild, sight(before, spare(ready, { isOurs: false }))],
  ['discard', 'the VM moved to another node', rebuild, sight(before, spare(ready, { node: 'pve2' }))],
  ['discard', 'the spare VM has no disk', rebuild, sight(before, spare({}))],
  ['prepare', 'the spare VM has a card', rebuild, sight(before, spare({ ...ready, net0: 'virtio' }))],
  ['detach', 'all is ready', rebuild, sight(before, spare())],
  ['move', 'the disk is detached', rebuild, sight(detached, spare())],
  ['find', 'a run of Proxmox died between two configs', rebuild, sight(detached, spare({}))],
  ['find', 'the spare VM is gone, too', rebuild, sight(detached)],
  ['attach', 'flags and order are missing', rebuild, sight(moved, spare({}))],
  ['record', 'all is as before', rebuild, sight(attached, spare({}))],
  ['record', 'somebody deleted the spare VM', rebuild, sight(attached)],
  ['strange', 'somebody attached another disk', rebuild, sight({ ...moved, scsi0: 'tank:x' }, spare())],
  ['finish', 'it is recorded', { ...rebuild, swapped: true }, sight(attached)],
  ['give-up', 'taken back early', { ...rebuild, back: true }, sight(before, spare())],
  ['restore', 'taken back while detached', { ...rebuild, back: true }, sight(detached, spare())],
  ['attach', 'taken back late', { ...rebuild, back: true }, sight(moved, spare({}))],
  ['turn', 'taken back at the end', { ...rebuild, back: true, swapped: true }, sight(attached)],
  ['exchange', 'an undo', undo, sight({ ...before, unused0: NEW })],
  ['exchange', 'an undo without a root disk', undo, sight({ unused0: NEW, unused1: OLD })],
  ['attach', 'an undo, flags missing', undo, sight(moved)],
  ['record', 'an undo, all as before', undo, sight(attached)],
  ['strange', 'an undo, and somebody attached another', undo, sight({ scsi0: 'tank:x,size=1G' })],
  ['finish', 'an undo that is recorded', { ...undo, swapped: true }, sight(attached)],
])('%s: %s', (step, _, plan, found) => {
  expect(nextStep(plan, found)).toBe(step)
})

test('the new disk gets the flags of the old one, and the VM its boot order', () => {
  const wanted = { scsi0: `${NEW},discard=on,iothread=1`, boot: 'order=scsi0;ide2' }
  expect(settingsFor(rebuild, NEW, { scsi0: `${NEW},cache=none,size=2G`, boot: ' ' })).toEqual(wanted)
  expect(settingsFor(rebuild, NEW, attached)).toEqual({})
  expect(settingsFor({ ...rebuild, boot: null }, NEW, attached)).toEqual({ delete: 'boot' })
  expect(
    settingsFor({ ...rebuild, cpuType: 'x86-64-v3' }, NEW, { ...attached, cpu: 'qemu64,flags=+aes' }),
  ).toEqual({ cpu: 'x86-64-v3,flags=+aes' })
})

test('the spare VM has no card, no protection and no start with its node, and a disk that is large enough', () => {
  const clone = { scsi0: 'tank:vm-101-disk-0,size=2G', net0: 'a', net1: 'b', onboot: 1, protection: 1 }
  expect(preparationOf(rebuild, clone)).toEqual({
    settings: { delete: 'net0,net1', onboot: 0, protection: 0 },
    size: '20G',
  })
  expect(preparationOf(rebuild, { scsi0: 'tank:vm-101-disk-0,size=30G' })).toEqual({})
})

test('only a CPU model that proxmint chose for want of another is changed', () => {
  const old = entry('web-1', { design: {} as VmDesign })
  expect(newCpuType(old, { cpu: 'qemu64' }, 'x86-64-v2-AES')).toBe('x86-64-v2-AES')
  expect(newCpuType(old, { cpu: 'host' }, 'x86-64-v2-AES')).toBeUndefined()
  const chosen = entry('web-1', { design: { cpuType: 'qemu64' } as VmDesign })
  expect(newCpuType(chosen, { cpu: 'qemu64' }, 'x86-64-v2-AES')).toBeUndefined()
})

test('nothing takes the spare VM for the VM itself', () => {
  const web = entry('web-1')
  const notes = spareNotes(web)
  expect(notes).toContain(spareMark(web.id))
  expect(isMarked(web, { description: notes })).toBe(false)
  expect(idInMark(notes)).toBeUndefined()
  expect(spareName('web-1')).toBe('web-1-rebuild')
  expect(spareName(`${'a'.repeat(54)}-bcdefghi`)).toBe(`${'a'.repeat(54)}-rebuild`)
})

const design = {
  ...{ template: { vmid: 9001, node: 'pve' }, disk: 20, memory: 2048 },
  cloudInit: { sshAuthorizedKeys: ['ssh-ed25519 A'] },
} as unknown as VmDesign
const web = entry('web-1', {
  ...{ phase: 'active', design, template: { family: 'debian', version: 'debian-1' } },
})

test('the entry says what the VM has, and an undo takes exactly that back', () => {
  const begun = rebuildBegun(web, rebuild, now)
  const swapped = rebuildSwapped(begun, 30, 7, now)
  expect(swapped).toMatchObject({
    ...{ template: system.template, system: 1 },
    design: { disk: 30, template: system.source, cloudInit: { sshAuthorizedKeys: ['ssh-ed25519 B'] } },
    previous: {
      ...{ volume: OLD, version: 'debian-1', until: new Date(now.getTime() + 7 * 86_400_000).toISOString() },
      system: {
        template: web.template,
        source: design.template,
        cloudInit: { sshAuthorizedKeys: ['ssh-ed25519 A'] },
      },
    },
    rebuild: { swapped: true },
  })
  const ended = rebuildEnded(swapped, 'rebuilt', now)
  // Changed since: an undo is about the system alone.
  const changed = { ...ended, design: { ...ended.design!, memory: 4096 } }
  const config = { scsi0: `${NEW},size=30G`, unused0: OLD, boot: 'order=scsi0' }
  const back = rebuildSwapped(rebuildBegun(changed, undoOf(changed, config), now), 20, 7, now)
  expect(back.design).toEqual({ ...design, memory: 4096 })
  expect(back.template).toEqual(web.template)
  expect(back).not.toHaveProperty('system')
  expect(back.previous).toMatchObject({ volume: NEW, version: 'debian-2', system })
})

test('there is no undo to a disk that somebody attached or deleted', () => {
  const previous = { ...{ volume: OLD, version: 'debian-1', until: now.toISOString() }, system }
  const of = (config: Record<string, string>) => () => undoOf({ ...web, previous }, config)
  expect(of({ scsi0: NEW, scsi3: OLD })).toThrow('is not an unused disk of VM')
  expect(of({ scsi0: NEW })).toThrow('is not an unused disk of VM')
})

test('a kept disk is due after its days, unless a rebuild still needs it', () => {
  const previous = { ...{ volume: OLD, version: 'debian-1', until: now.toISOString() }, system }
  const earlier = new Date(now.getTime() - 1)
  expect(isPreviousDue({ ...web, previous }, now)).toBe(true)
  expect(isPreviousDue({ ...web, previous }, earlier)).toBe(false)
  expect(isPreviousDue({ ...web, previous, rebuild }, now)).toBe(false)
  expect(isPreviousDue(web, now)).toBe(false)
})
