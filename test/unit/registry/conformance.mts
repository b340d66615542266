import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  advance,
  type Entry,
  failed,
  type Rebuild,
  type VmDesign,
} from '../../../scripts/lib/registry/entry.mts'
import { requireEntry } from '../../../scripts/lib/registry/revise.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { changeEntry } from '../../change-entry.mts'
import { failureOf } from '../failure.mts'
import { entry, limits, now, pool, wanted } from './entries.mts'
import { describeFurtherAddresses } from './further-addresses.mts'

/** What is being tested: a place for entries that stores can be opened on, as several processes do. */
export interface Place {
  open(): Promise<RegistryStore>
  remove(): Promise<void>
}

const rebuild: Rebuild = {
  ...{ kind: 'rebuild', from: 'debian-1', to: 'debian-2' },
  ...{ disk: 'tank:vm-100-disk-0,size=10G', boot: 'order=scsi0' },
  system: {
    template: { family: 'debian', version: 'debian-2' },
    source: null,
    cloudInit: {} as VmDesign['cloudInit'],
  },
}

/** What every store must do, whatever it is made of. */
export function describeStore(kind: string, makePlace: () => Promise<Place>): void {
  describe(`the ${kind} store`, () => {
    let place: Place
    let store: RegistryStore
    beforeEach(async () => {
      place = await makePlace()
      store = await place.open()
    })
    afterEach(async () => {
      await store.close()
      await place.remove()
    })

    describeFurtherAddresses(
      () => store,
      () => place.open(),
    )

    const reserve = async (name: string, changes = {}): Promise<Entry> =>
      (await store.reserve([wanted(name, changes)], limits()))[0]!
    const destroy = (name: string) => changeEntry(store, name, one => advance(one, 'destroyed', now))

    test('keeps what was reserved, for others too', async () => {
      const made = await reserve('web-1')
      expect(made).toMatchObject({ name: 'web-1', phase: 'reserved', vmid: 100, address: '192.168.122.200' })
      await using other = await place.open().then(one => disposable(one))
      expect(await other.store.find('web-1')).toEqual(made)
      expect(await other.store.list()).toEqual([made])
    })

    test('lists by name', async () => {
      for (const name of ['web-2', 'db-1', 'web-1']) await reserve(name)
      expect((await store.list()).map(({ name }) => name)).toEqual(['db-1', 'web-1', 'web-2'])
    })

    test('gives every VM numbers of its own', async () => {
      const made = await store.reserve(
        Array.from({ length: 40 }, (_, index) => wanted(`vm-${index}`)),
        limits(),
      )
      expect(new Set(made.map(({ vmid }) => vmid)).size).toBe(40)
      expect(new Set(made.map(({ address }) => address)).size).toBe(40)
    })

    test('previews what a reservation would take, and takes nothing', async () => {
      await reserve('web-1')
      const three = [wanted('web-2'), wanted('web-3'), wanted('web-4', { vmid: 500 })]
      const previewed = await store.preview(three, limits())
      expect(await store.list()).toHaveLength(1)
      expect(previewed.map(({ vmid }) => vmid)).toEqual([101, 102, 500])
      const numbers = ({ vmid, address }: Entry) => [vmid, address]
      expect((await store.reserve(three, limits())).map(numbers)).toEqual(previewed.map(numbers))
      const failure = await failureOf(() => store.preview([wanted('web-1')], limits()))
      expect(failure).toMatchObject({ message: 'the name web-1 is taken', exitCode: 2 })
    })

    test('never exceeds a quota, also when runs reserve at once', async () => {
      const quotas = { total: { vms: 5 } }
      await using other = await place.open().then(one => disposable(one))
      const stores = [store, other.store]
      const tries = Array.from({ length: 12 }, (_, index) =>
        stores[index % 2]!.reserve([wanted(`vm-${index}`)], { ...limits(), quotas }),
      )
      const outcomes = await Promise.allSettled(tries)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
      expect(await store.list()).toHaveLength(5)
      expect(await failureOf(() => store.reserve([wanted('more')], { ...limits(), quotas }))).toMatchObject({
        message: 'more: quotas.total.vms is 5: 5 VMs are taken, 1 more are wanted',
        exitCode: 2,
      })
    })

    test('reserves all or none', async () => {
      await reserve('web-2')
      const failure = await failureOf(() => store.reserve([wanted('web-1'), wanted('web-2')], limits()))
      expect(failure).toMatchObject({ message: 'the name web-2 is taken', exitCode: 2 })
      expect(await store.find('web-1')).toBeUndefined()
      expect(await reserve('web-3')).toMatchObject({ vmid: 101 })
    })

    test.each(['Web', 'web_1', '../etc', '', '-web', 'web-', 'a.b', 'x'.repeat(64)])(
      'refuses the name "%s"',
      async name => {
        expect(await failureOf(() => reserve(name))).toMatchObject({
          message: `"${name}" is not a VM name`,
          exitCode: 2,
        })
      },
    )

    test('gives a freed number to nobody before the others were used', async () => {
      await reserve('web-1')
      await destroy('web-1')
      expect(await reserve('web-2')).toMatchObject({ vmid: 101, address: '192.168.122.201' })
    })

    test('begins anew at the end of a range', async () => {
      const range = { pool: pool('10.0.0.1-10.0.0.2') }
      await reserve('a', range)
      await reserve('b', range)
      await destroy('a')
      expect(await reserve('c', range)).toMatchObject({ address: '10.0.0.1' })
    })

    test('picks from an IPv6 pool', async () => {
      const made = await reserve('six', { pool: pool('2001:db8::/64') })
      expect(made.address).toBe('2001:db8::1')
    })

    test('leaves out what is taken outside, and what belongs to the network', async () => {
      const [made] = await store.reserve(
        [wanted('web-1', { pool: pool('10.0.0.1-10.0.0.9', ['10.0.0.1']) })],
        limits({ takenVmids: new Set([100, 101]) }),
      )
      expect(made).toMatchObject({ vmid: 102, address: '10.0.0.2' })
    })

    test('says that a pool is exhausted, and then that the VMIDs are', async () => {
      const small = { pool: pool('10.0.0.1-10.0.0.1') }
      await reserve('a', small)
      expect(await failureOf(() => reserve('b', small))).toMatchObject({
        message: 'every address of the pool default is taken',
        exitCode: 1,
      })
      const failure = await failureOf(() => store.reserve([wanted('b')], limits({ vmidRange: [100, 100] })))
      expect(failure).toMatchObject({ message: 'every VMID from 100 to 100 is taken', exitCode: 1 })
    })

    test.each([
      [{ vmid: 100 }, 'VMID 100 belongs to taken'],
      [{ vmid: 1000 }, 'VMID 1000 is not in vmid_range, 100 to 999'],
      [{ vmid: 500 }, 'VMID 500 is taken in Proxmox by a VM that is not in the registry'],
      [{ address: '192.168.122.200' }, 'the address 192.168.122.200 belongs to taken'],
      [{ address: '10.0.0.1' }, '10.0.0.1 is not in the pool default'],
      [{ address: '10.0.0' }, '10.0.0 is not in the pool default'],
    ])('refuses %o', async (changes, message) => {
      await reserve('taken')
      const outside = limits({ takenVmids: new Set([500]) })
      const failure = await failureOf(() => store.reserve([wanted('web-1', changes)], outside))
      expect(failure).toMatchObject({ message, exitCode: 2 })
      expect(await store.list()).toHaveLength(1)
    })

    test('gives out neither the name nor the address of a VM that only Proxmox knows', async () => {
      const lost = { vmid: 140, name: 'lost', addresses: ['192.168.122.200', '192.168.122.202'] }
      const outside = limits({ unknown: [lost] })
      const two = await store.reserve([wanted('web-1'), wanted('web-2')], outside)
      expect(two.map(({ address }) => address)).toEqual(['192.168.122.201', '192.168.122.203'])
      const whose = "VM 140 (lost) is in Proxmox with this site's tag, and the registry does not know it"
      expect(await failureOf(() => store.reserve([wanted('lost')], outside))).toMatchObject({
        message: `the name lost is taken: ${whose}`,
        exitCode: 2,
      })
      const asked = wanted('web-3', { address: '192.168.122.202' })
      expect(await failureOf(() => store.reserve([asked], outside))).toMatchObject({
        message: `the address 192.168.122.202 is taken: ${whose}`,
      })
    })

    test('gives the VMID and the address that were asked for', async () => {
      const asked = { vmid: 321, address: '192.168.122.240' }
      expect(await reserve('web-1', asked)).toMatchObject(asked)
    })

    test('changes an entry, and keeps its phase when something fails', async () => {
      await reserve('web-1')
      await changeEntry(store, 'web-1', one => ({ ...advance(one, 'created', now), node: 'pve2' }))
      const changed = await changeEntry(store, 'web-1', one => failed(one, 'mint', 'RPC down', now))
      expect(changed).toMatchObject({
        phase: 'created',
        node: 'pve2',
        failure: { step: 'mint', why: 'RPC down' },
      })
      expect(await store.find('web-1')).toEqual(changed)
      expect(changed.history.map(({ what }) => what)).toEqual([
        'reserved',
        'created',
        'mint failed: RPC down',
      ])
    })

    test('changes nothing when the revision throws', async () => {
      const made = await reserve('web-1')
      const refuse = () =>
        changeEntry(store, 'web-1', () => {
          throw new Error('not expired any more')
        })
      await expect(refuse()).rejects.toThrow('not expired any more')
      expect(await store.find('web-1')).toEqual(made)
    })

    test('refuses to change what another run changed since it was read', async () => {
      const read = await reserve('web-1')
      await using other = await place.open().then(one => disposable(one))
      const moved = await changeEntry(other.store, 'web-1', one => advance(one, 'created', now))
      const failure = await failureOf(() => store.change(read, one => advance(one, 'destroyed', now)))
      expect(failure).toMatchObject({
        message: 'another run changed web-1 meanwhile; nothing was written',
        exitCode: 5,
      })
      expect(await store.list()).toEqual([moved])
    })

    test('refuses to change an entry whose name another run gave to another VM', async () => {
      const read = await reserve('web-1')
      await using other = await place.open().then(one => disposable(one))
      await changeEntry(other.store, 'web-1', one => advance(one, 'destroyed', now))
      const [heir] = await other.store.reserve([wanted('web-1')], limits())
      const failure = await failureOf(() => store.change(read, one => advance(one, 'destroyed', now)))
      expect(failure).toMatchObject({
        message: 'another run destroyed web-1 meanwhile; nothing was written',
        exitCode: 5,
      })
      expect(await store.list()).toEqual([heir])
    })

    test('counts changes of its own as no conflict, unless another run came in between', async () => {
      const read = await reserve('web-1')
      const note = (one: Entry): Entry => ({ ...one, purpose: `${one.purpose}+` })
      await store.change(read, note)
      expect(await store.change(read, note)).toMatchObject({ purpose: 'test++', revision: 2 })
      await using other = await place.open().then(one => disposable(one))
      await changeEntry(other.store, 'web-1', note)
      expect(await failureOf(() => store.change(read, note))).toMatchObject({ exitCode: 5 })
      expect(await changeEntry(store, 'web-1', note)).toMatchObject({ purpose: 'test++++', revision: 4 })
      expect(await failureOf(() => store.change(read, note))).toMatchObject({ exitCode: 5 })
    })

    test('changes an entry that an older proxmint wrote, without a revision', async () => {
      await store.add([entry('old', { vmid: 140 })], [])
      expect(await changeEntry(store, 'old', one => ({ ...one, purpose: 'new' }))).toMatchObject({
        purpose: 'new',
        revision: 1,
      })
    })

    test('does not let a revision move a VM to another number', async () => {
      await reserve('web-1')
      const move = () => changeEntry(store, 'web-1', one => ({ ...one, vmid: 777 }))
      await expect(move()).rejects.toThrow('the vmid of web-1 cannot be changed')
    })

    test('says that there is no such VM', async () => {
      expect(await failureOf(() => destroy('ghost'))).toMatchObject({
        message: 'there is no VM ghost in the registry',
        hint: expect.stringContaining('zx scripts/vm.mts adopt ghost'),
        exitCode: 2,
      })
    })

    test('says which name was meant', async () => {
      await reserve('web-1')
      const message = 'there is no VM wbe-1 in the registry; did you mean web-1?'
      expect(await failureOf(() => requireEntry(store, 'wbe-1'))).toMatchObject({ message, exitCode: 2 })
    })

    test('archives what was destroyed; its name can be used again', async () => {
      await reserve('web-1')
      await destroy('web-1')
      expect(await store.find('web-1')).toBeUndefined()
      const again = await reserve('web-1')
      expect(again.phase).toBe('reserved')
      const archived = await store.listArchived()
      expect(archived).toMatchObject([{ name: 'web-1', phase: 'destroyed', vmid: 100 }])
    })

    test('destroys once: the second time frees nothing of somebody else', async () => {
      const range = { pool: pool('10.0.0.1-10.0.0.1') }
      await reserve('first', range)
      await destroy('first')
      const heir = await reserve('second', range)
      expect(await failureOf(() => destroy('first'))).toMatchObject({ exitCode: 2 })
      expect(await store.list()).toEqual([heir])
    })

    test('adds entries with the numbers they have', async () => {
      const old = entry('old', { vmid: 140, phase: 'destroyed' })
      await store.add(
        [entry('a', { vmid: 150 }), entry('b', { vmid: 151, address: '192.168.122.231' })],
        [old],
      )
      expect((await store.list()).map(({ name, vmid }) => [name, vmid])).toEqual([
        ['a', 150],
        ['b', 151],
      ])
      expect(await store.listArchived()).toEqual([old])
    })

    test('adds a VM that was restored together with the line of its destruction', async () => {
      const gone = entry('web-1', { phase: 'destroyed', revision: 4 })
      const back = entry('web-1', { revision: 5 })
      await store.add([back], [gone])
      expect(await store.list()).toEqual([back])
      expect(await store.listArchived()).toEqual([gone])
      await destroy('web-1')
      expect(await store.list()).toEqual([])
    })

    test('names every conflict of added entries, and adds none', async () => {
      await reserve('web-1')
      const added = [
        entry('web-1', { vmid: 150 }),
        entry('x', { vmid: 100, address: '192.168.122.231' }),
        entry('y', { vmid: 151, address: '192.168.122.200' }),
        entry('z', { vmid: 152, address: 'nowhere' }),
      ]
      const failure = await failureOf(() => store.add(added, []))
      for (const conflict of [
        'web-1: the name is used twice',
        'x: VMID 100 also belongs to web-1',
        'y: the address 192.168.122.200 also belongs to web-1',
        'z: "nowhere" is not an address',
      ])
        expect(failure.message).toContain(conflict)
      expect(await store.list()).toHaveLength(1)
    })

    test('lets one run at a time work on a VM, and says who does', async () => {
      const other = await place.open()
      const result = await store.exclusively('web-1', 'vm create', async () => {
        const failure = await failureOf(() => other.exclusively('web-1', 'gc', async () => 'in'))
        expect(failure).toMatchObject({ exitCode: 5 })
        expect(failure.message).toMatch(/^gc web-1: another run /)
        expect(failure.facts['holder']).toContain(`vm create web-1, process ${process.pid} on `)
        return other.exclusively('web-2', 'gc', async () => 'beside')
      })
      expect(result).toBe('beside')
      expect(await other.exclusively('web-1', 'gc', async () => 'after')).toBe('after')
      await other.close()
    })

    test('lets one run work on eight VMs at once', async () => {
      const names = Array.from({ length: 8 }, (_, index) => `vm-${index}`)
      await store.reserve(
        names.map(name => wanted(name)),
        limits(),
      )
      const allIn = Promise.withResolvers<void>()
      let inside = 0
      const changed = await Promise.all(
        names.map(name =>
          store.exclusively(name, 'apply', async () => {
            if (++inside === names.length) allIn.resolve()
            await allIn.promise
            return changeEntry(store, name, one => ({ ...one, purpose: 'changed' }))
          }),
        ),
      )
      expect(changed.map(({ purpose }) => purpose)).toEqual(names.map(() => 'changed'))
    })

    test('gives a reserved VM another VMID in one commit, under a new id', async () => {
      const old = await reserve('web-1')
      await reserve('web-2')
      const later = new Date(now.getTime() + 3_600_000)
      const changed = await store.renumber(old, limits({ takenVmids: new Set([102]), now: later }))
      const { name, address, expiresAt, createdAt, phase, token } = old
      expect(changed).toMatchObject({ name, address, expiresAt, createdAt, phase, token, vmid: 103 })
      expect(changed.id).not.toBe(old.id)
      await using other = await place.open().then(one => disposable(one))
      expect(await other.store.find('web-1')).toEqual(changed)
      expect(await other.store.listArchived()).toMatchObject([{ id: old.id, phase: 'destroyed', vmid: 100 }])
      // What it had is free, what it has is not.
      expect(await reserve('web-3', { vmid: 100 })).toMatchObject({ vmid: 100 })
      expect(await failureOf(() => reserve('web-4', { vmid: 103 }))).toMatchObject({
        message: 'VMID 103 belongs to web-1',
      })
    })

    test('gives another VMID only to the entry as it was read', async () => {
      const old = await reserve('web-1')
      await destroy('web-1')
      const anew = await reserve('web-1')
      expect(await failureOf(() => store.renumber(old, limits()))).toMatchObject({ exitCode: 5 })
      await using other = await place.open().then(one => disposable(one))
      await changeEntry(other.store, 'web-1', one => advance(one, 'created', now))
      expect(await failureOf(() => store.renumber(anew, limits()))).toMatchObject({ exitCode: 5 })
      expect(await store.find('web-1')).toMatchObject({ id: anew.id, vmid: anew.vmid })
    })

    test('gives a spare VM a VMID that nobody else gets while it is in use', async () => {
      const before = await reserve('web-1')
      const begin = (one: Entry, spareVmid: number): Entry => ({ ...one, rebuild: { ...rebuild, spareVmid } })
      const outside = limits({ takenVmids: new Set([101]) })
      const begun = await store.reserveSpare(before, outside, begin)
      expect(begun).toMatchObject({ vmid: 100, rebuild: { spareVmid: 102 } })
      await using other = await place.open().then(one => disposable(one))
      expect(await other.store.find('web-1')).toEqual(begun)
      expect(await failureOf(() => reserve('web-2', { vmid: 102 }))).toMatchObject({
        message: 'VMID 102 belongs to web-1',
      })
      expect(await store.reserve([wanted('web-2')], limits({ vmidRange: [101, 103] }))).toMatchObject([
        { vmid: 103 },
      ])
      expect(await failureOf(() => store.add([entry('x', { vmid: 102 })], []))).toMatchObject({
        message: expect.stringContaining('x: VMID 102 also belongs to web-1'),
      })
      // Another one, where a stranger has it in Proxmox.
      expect(await store.reserveSpare(begun, outside, begin)).toMatchObject({ rebuild: { spareVmid: 104 } })
      expect(await reserve('web-3', { vmid: 102 })).toMatchObject({ vmid: 102 })
      await changeEntry(store, 'web-1', ({ rebuild: _, ...one }) => one)
      expect(await reserve('web-4', { vmid: 104 })).toMatchObject({ vmid: 104 })
    })

    test('gives a spare VM a VMID only for the entry as it was read', async () => {
      const read = await reserve('web-1')
      await using other = await place.open().then(one => disposable(one))
      await changeEntry(other.store, 'web-1', one => advance(one, 'created', now))
      const begin = (one: Entry, spareVmid: number): Entry => ({ ...one, rebuild: { ...rebuild, spareVmid } })
      expect(await failureOf(() => store.reserveSpare(read, limits(), begin))).toMatchObject({ exitCode: 5 })
      expect(await store.find('web-1')).not.toHaveProperty('rebuild')
    })

    test('says which VMIDs it picked itself', async () => {
      expect(await reserve('web-1')).toMatchObject({ vmidPicked: true })
      expect(await reserve('web-2', { vmid: 200 })).not.toHaveProperty('vmidPicked')
    })

    test('serves many at once from several stores', async () => {
      const stores = await Promise.all([1, 2, 3, 4].map(() => place.open()))
      const made = await Promise.all(
        stores.flatMap((one, index) =>
          Array.from({ length: 5 }, (_, n) => one.reserve([wanted(`vm-${index}-${n}`)], limits())),
        ),
      )
      expect(new Set(made.flat().map(({ vmid }) => vmid)).size).toBe(20)
      expect(await store.list()).toHaveLength(20)
      await Promise.all(stores.map(one => one.close()))
    })

    test('commits each change once while the same store is read', async () => {
      const names = Array.from({ length: 12 }, (_, index) => `vm-${index}`)
      let isDone = false
      const reading = (async () => {
        while (!isDone) await Promise.all([store.list(), ...names.map(name => store.find(name))])
      })()
      const working = names.map(async name => {
        await store.reserve([wanted(name)], limits())
        for (const what of ['first', 'second']) {
          await changeEntry(store, name, one => ({
            ...one,
            history: [...one.history, { at: now.toISOString(), what }],
          }))
        }
      })
      await Promise.all(working).finally(() => {
        isDone = true
      })
      await reading
      for (const { history } of await store.list()) {
        expect(history.map(({ what }) => what)).toEqual(['reserved', 'first', 'second'])
      }
    })
  })
}

function disposable(store: RegistryStore): AsyncDisposable & { store: RegistryStore } {
  return { store, [Symbol.asyncDispose]: () => store.close() }
}
