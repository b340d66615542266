/** What every store must do with VMs that have several addresses. */
import { expect, test } from 'vitest'
import type { Pool } from '../../../scripts/lib/config/pools.mts'
import { addressesOf, advance, type Entry } from '../../../scripts/lib/registry/entry.mts'
import type { RegistryStore, WantedAddress } from '../../../scripts/lib/registry/store.mts'
import { changeEntry } from '../../change-entry.mts'
import { randomFrom } from '../../random.mts'
import { failureOf } from '../failure.mts'
import { limits, now, pool, wanted } from './entries.mts'

const lan = { ...pool('10.0.0.1-10.0.0.40'), name: 'lan' }
const six = { ...pool('2001:db8::1-2001:db8::28'), name: 'six', gateway: 'fe80::1', dns: ['2001:db8::53'] }
const isolated = { ...pool('10.9.0.1-10.9.0.40'), name: 'isolated', gateway: '10.9.0.254' }

function further(card: number, from: Pool = six, changes: Partial<WantedAddress> = {}): WantedAddress {
  return { card, pool: from, address: undefined, routed: true, ...changes }
}

/** @param reopen opens another store on the same place. */
export function describeFurtherAddresses(
  store: () => RegistryStore,
  reopen: () => Promise<RegistryStore>,
): void {
  const reserve = async (name: string, more: WantedAddress[], changes = {}): Promise<Entry> =>
    (await store().reserve([wanted(name, { pool: lan, further: more, ...changes })], limits()))[0]!
  const destroy = (name: string) => changeEntry(store(), name, one => advance(one, 'destroyed', now))

  test('reserves an address of each pool in one commit, with the network of the pool', async () => {
    const made = await reserve('web-1', [further(0), further(1, isolated, { routed: false })])
    expect(made).toMatchObject({
      address: '10.0.0.1',
      pool: 'lan',
      addresses: [
        {
          card: 0,
          pool: 'six',
          address: '2001:db8::1',
          prefix: 64,
          gateway: 'fe80::1',
          dns: ['2001:db8::53'],
        },
        { card: 1, pool: 'isolated', address: '10.9.0.1', prefix: 24, gateway: null, dns: [] },
      ],
    })
    expect(made).not.toHaveProperty('further')
    const other = await reopen()
    expect(await other.find('web-1')).toEqual(made)
    await other.close()
  })

  test('gives two addresses of one pool to one VM, and neither of them to another', async () => {
    const made = await reserve('web-1', [further(1, lan), further(2, lan, { address: '10.0.0.9' })])
    expect(addressesOf(made)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.9'])
    for (const address of ['10.0.0.2', '10.0.0.9']) {
      expect(await failureOf(() => reserve('web-2', [], { address }))).toMatchObject({
        message: `the address ${address} belongs to web-1`,
      })
      const twice = further(1, lan, { address })
      expect(await failureOf(() => reserve('web-2', [twice]))).toMatchObject({ exitCode: 2 })
    }
    expect(await failureOf(() => reserve('web-2', [further(1, lan, { address: '10.0.0.1' })]))).toMatchObject(
      {
        message: 'the address 10.0.0.1 belongs to web-1',
      },
    )
    expect(await store().list()).toEqual([made])
  })

  test('frees all of them together', async () => {
    await reserve('web-1', [further(1, isolated, { address: '10.9.0.7' })], { address: '10.0.0.7' })
    await destroy('web-1')
    const heir = await reserve('web-2', [further(1, isolated, { address: '10.9.0.7' })], {
      address: '10.0.0.7',
    })
    expect(addressesOf(heir)).toEqual(['10.0.0.7', '10.9.0.7'])
  })

  test('reserves further addresses for a VM that is there, with a change in one commit', async () => {
    const read = await reserve('web-1', [])
    const previewed = await store().previewFurther(read, [further(0), further(1, isolated)], limits())
    expect(addressesOf(previewed)).toEqual(['10.0.0.1', '2001:db8::1', '10.9.0.1'])
    expect(await store().find('web-1')).toEqual(read)
    const grown = await store().reserveFurther(read, [further(0), further(1, isolated)], limits(), one => ({
      ...one,
      purpose: `${one.addresses!.length} more`,
    }))
    expect(grown).toMatchObject({ purpose: '2 more', revision: 1 })
    expect(addressesOf(grown)).toEqual(['10.0.0.1', '2001:db8::1', '10.9.0.1'])
    expect(await store().find('web-1')).toEqual(grown)
    const other = await reopen()
    const failure = await failureOf(() => other.reserveFurther(read, [further(2)], limits(), one => one))
    expect(failure).toMatchObject({ message: 'another run changed web-1 meanwhile; nothing was written' })
    await other.close()
    expect(await store().find('web-1')).toEqual(grown)
  })

  test('frees an address that a change leaves out, and lets no change invent one', async () => {
    await reserve('web-1', [further(0), further(1, isolated, { address: '10.9.0.7' })])
    await changeEntry(store(), 'web-1', one => ({ ...one, addresses: [one.addresses![0]!] }))
    expect(addressesOf(await reserve('web-2', [further(1, isolated, { address: '10.9.0.7' })]))).toContain(
      '10.9.0.7',
    )
    const invent = () =>
      changeEntry(store(), 'web-1', one => ({
        ...one,
        addresses: [...one.addresses!, { ...one.addresses![0]!, address: '10.9.0.8' }],
      }))
    await expect(invent()).rejects.toThrow('web-1 cannot have an address that the registry did not assign')
  })

  test('keeps them for a VM that gets another VMID', async () => {
    const old = await reserve('web-1', [further(0)])
    const begun = await store().renumber(old, limits())
    expect(begun.addresses).toEqual(old.addresses)
    expect(addressesOf(await reserve('web-2', [further(0)]))).toEqual(['10.0.0.2', '2001:db8::2'])
  })

  test('names the conflict of a further address of an added entry', async () => {
    const made = await reserve('web-1', [further(1, isolated)])
    const other = { ...made, name: 'x', id: 'id of x', vmid: 300, address: '10.0.0.30' }
    const failure = await failureOf(() => store().add([other], []))
    expect(failure.message).toContain('x: the address 10.9.0.1 also belongs to web-1')
  })

  test('gives no address twice in 200 random reservations, changes and destructions', async () => {
    const random = randomFrom(16)
    const below = (most: number): number => Math.floor(random() * most)
    const some = (): WantedAddress[] =>
      Array.from({ length: below(4) }, () => further(below(3), [lan, six, isolated][below(3)]!))
    const inUse = new Map<string, string[]>()
    let refused = 0
    for (let round = 0; round < 200; round++) {
      const names = [...inUse.keys()]
      const name = names[below(names.length)]
      const what = below(10)
      const done =
        what < 6 || name === undefined
          ? reserve(`vm-${round}`, some())
          : what < 8
            ? store().reserveFurther((await store().find(name))!, some(), limits(), one => one)
            : what === 8
              ? changeEntry(store(), name, one => ({
                  ...one,
                  addresses: (one.addresses ?? []).slice(below(2)),
                }))
              : destroy(name)
      const entry = await done.catch(error => {
        // A pool may be full by now.
        expect(String(error)).toMatch(/every address of the pool/)
        refused += 1
      })
      if (entry?.phase === 'destroyed') inUse.delete(entry.name)
      else if (entry != null) inUse.set(entry.name, addressesOf(entry))
      const all = [...inUse.values()].flat()
      expect(new Set(all).size).toBe(all.length)
    }
    expect((await store().list()).map(one => [one.name, addressesOf(one)])).toEqual([...inUse].sort())
    // Both happened often enough to mean something.
    expect(inUse.size).toBeGreaterThan(10)
    expect(refused).toBeLessThan(150)
  })
}
