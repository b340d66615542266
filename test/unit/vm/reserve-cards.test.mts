/** Other cards for a VM that exists: what is asked before, and what is written down in one commit. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import type { CardWish } from '../../../scripts/lib/vm/plan/cards.mts'
import { cardsChangeFor } from '../../../scripts/lib/vm/plan/change-cards.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

const network = { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null }
const design = { network, cores: 2, made: ['net0', 'scsi0'] } as unknown as VmDesign
const web = entry('web-1', { vmid: 100, node: 'pve', pool: 'lan', address: '10.0.0.5', design })
const config = { net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0' }
const granted: Record<string, Record<string, 1>> = {
  '/vms/100': { 'VM.Config.Network': 1, 'VM.Config.Cloudinit': 1 },
  '/sdn/zones/localnetwork/vmbr0': { 'SDN.Use': 1 },
  '/sdn/zones/localnetwork/vmbr1/40': { 'SDN.Use': 1 },
}

let store: RegistryStore
let read: Entry
beforeEach(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const folder = await temporaryFolder()
  await writeFile(
    join(folder, 'db.yaml'),
    'default_pool: lan\npools:\n  lan: { addresses: 10.0.0.1-10.0.0.99, prefix: 24 }\n' +
      '  store: { addresses: 10.9.0.1-10.9.0.9, prefix: 24 }\n',
  )
  vi.stubEnv('PROXMINT_POOLS', join(folder, 'db.yaml'))
  store = openFileStore({ folder: join(folder, 'registry'), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([web], [])
  read = (await store.find('web-1'))!
})

/** As `vm change` does it. */
async function reserveCards(
  one: Entry,
  cards: CardWish[],
  seen: typeof config,
  place: VmContext,
): Promise<Entry> {
  const change = await cardsChangeFor(one, cards, seen, place)
  return change === undefined ? one : store.reserveFurther(one, change.missing, {}, change.revise)
}

function context(permissions = granted): VmContext {
  const answers: Record<string, unknown> = {
    '/access/permissions': permissions,
    '/nodes/pve/network': [{ iface: 'vmbr0' }, { iface: 'vmbr1' }],
    '/cluster/resources': [],
  }
  const client = {
    identity: 'proxmint@pve!t',
    request: (_: string, path: string) =>
      path in answers ? Promise.resolve(answers[path]) : Promise.reject(new Error(`${path} was asked`)),
  }
  const siteConfig = { site: 'test', templateVmidRange: [9000, 9899], baseVmidRange: [9900, 9999] }
  const connection = { site: openSite(), client, version: { major: 9 }, config: siteConfig }
  return { store, connection, checks: connection } as unknown as VmContext
}

test('cards and addresses are written in one commit, and no other VM gets the address', async () => {
  const cards = [{}, { bridge: 'vmbr1', vlan: 40 }, { pool: 'store' }]
  const changed = await reserveCards(read, cards, config, context())
  expect(await store.find('web-1')).toEqual(changed)
  expect(changed).toMatchObject({
    ...{ address: '10.0.0.5', revision: 1 },
    addresses: [{ card: 2, pool: 'store', address: '10.9.0.1' }],
    design: {
      ...{ networks: cards, cores: 2, made: ['net0', 'scsi0', 'net1', 'net2'] },
      cards: [
        { bridge: 'vmbr0', vlan: null },
        { bridge: 'vmbr1', vlan: 40 },
        { bridge: 'vmbr0', vlan: null },
      ],
    },
  })
  const again = await reserveCards(changed, cards, config, context())
  expect(again.addresses).toEqual(changed.addresses)
})

test('a network that may not be used, or is not there, is found before anything is written', async () => {
  const { '/sdn/zones/localnetwork/vmbr1/40': _, ...less } = granted
  const denied = await failureOf(() =>
    reserveCards(read, [{}, { bridge: 'vmbr1', vlan: 40 }], config, context(less)),
  )
  expect(denied.exitCode).toBe(4)
  expect(denied.message).toContain('/sdn/zones/localnetwork/vmbr1/40: SDN.Use')
  const path = '/sdn/zones/localnetwork/vmbr9'
  const missing = await failureOf(() =>
    reserveCards(read, [{}, { bridge: 'vmbr9' }], config, context({ ...granted, [path]: { 'SDN.Use': 1 } })),
  )
  expect(missing).toMatchObject({ message: 'node pve has no bridge vmbr9', exitCode: 3 })
  expect(await store.find('web-1')).toEqual(read)
})
