import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { commandsOf } from '../../../scripts/lib/run/main.mts'
import { openSite, type Site } from '../../../scripts/lib/site/site.mts'
import { placeVm } from '../../../scripts/lib/vm/plan/draft.mts'
import { draftVms } from '../../../scripts/lib/vm/plan/preview.mts'
import { wishesOf } from '../../../scripts/lib/vm/plan/wishes.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'
import { haveOwnKey } from './own-key.mts'

const [spec] = await commandsOf([new URL('../../../scripts/vm.mts', import.meta.url)])
const wishes = (...words: string[]) =>
  wishesOf(parseArguments(spec!, ['create', 'NAME', '--no-web3', ...words]))

let store: RegistryStore
let site: Site
/** How often user-data was rendered. */
let rendered: number

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  const pools = join(await temporaryFolder(), 'db.yaml')
  await writeFile(pools, 'pools:\n  default: { addresses: 10.0.0.10-10.0.0.12, prefix: 24 }\n')
  vi.stubEnv('PROXMINT_POOLS', pools)
  await haveOwnKey()
  const opened = openSite()
  const families = { debian: { current: version(9), previous: null, candidate: null, retired: [] } }
  rendered = 0
  site = {
    ...opened,
    families: async () => families,
    userDataTemplate(name) {
      rendered++
      return opened.userDataTemplate(name)
    },
  }
})
afterEach(() => vi.unstubAllEnvs())

test('a VM is drafted once, however often its draft is taken', async () => {
  const drafts = await draftVms(new Map([['web-1', wishes('--cpu', '3')]]), site, store)
  expect(drafts.faults).toEqual([])
  const draft = await drafts.of('web-1')
  expect(await drafts.of('web-1')).toBe(draft)
  expect(rendered).toBe(1)
  expect(placeVm(draft, 'pve', 'tank', new Date())).toMatchObject({
    node: 'pve',
    template: { family: 'debian', version: version(9).name },
    design: { cores: 3, storage: 'tank', template: { vmid: 9009, node: 'pve' } },
  })
})

test('the one of several that cannot be had is named, and its draft is refused with the same words', async () => {
  const wanted = new Map([
    ['web-1', wishes()],
    ['web-2', wishes('--pool', 'lab')],
  ])
  const { faults, of } = await draftVms(wanted, site, store)
  expect(faults.map(({ name }) => name)).toEqual(['web-2'])
  expect((await failureOf(() => of('web-2'))).message).toContain('unknown pool lab')
  expect(await of('web-1')).toMatchObject({ name: 'web-1' })
  expect(rendered).toBe(1)
})

test('a VM that exists is drafted only where it is gone by then', async () => {
  await store.add([entry('web-1')], [])
  const drafts = await draftVms(new Map([['web-1', wishes('--pool', 'lab')]]), site, store)
  expect(drafts.faults).toEqual([])
  expect(rendered).toBe(0)
  expect((await failureOf(() => drafts.of('web-1'))).message).toContain('unknown pool lab')
})

test('a VM of a template by its VMID is cloned on the node it is put on', async () => {
  const drafts = await draftVms(new Map([['web-1', wishes('--template-vmid', '9001')]]), site, store)
  expect(placeVm(await drafts.of('web-1'), 'pve2', 'tank', new Date())).toMatchObject({
    template: null,
    design: { template: { vmid: 9001, node: 'pve2' } },
  })
})
