/** `trial` on other Proxmox VEs, and killed at every moment. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StorageDescription } from '../../lab/cluster/description.mts'
import type { Lab, LabOptions } from '../../lab/create.mts'
import { TRIAL_CHECKPOINTS, TRIAL_END_CHECKPOINTS } from '../checkpoints.mts'
import { createTrialSite, killedAndCleaned, type TrialSite } from '../e2e/trial-site.mts'
import { startLab } from '../e2e/workspace.mts'

/** One node with these storages. */
const storedOn = (...storages: StorageDescription[]): LabOptions => ({
  cluster: { nodes: [{ name: 'pve' }], storages },
})
const thin: StorageDescription = { id: 'thin', type: 'lvmthin', content: ['images'] }

test.each<[string, LabOptions, string[]]>([
  ['Proxmox VE 8', { pveVersion: 8 }, []],
  ['a Proxmox VE that lags by 10 s', { staleSeconds: 10 }, []],
  [
    'a directory storage alone',
    storedOn({ id: 'local', type: 'dir', content: ['images', 'iso', 'snippets', 'import'] }),
    [],
  ],
  [
    'LVM-thin, with Proxmox VE 8 and no storage for snippets',
    { pveVersion: 8, ...storedOn(thin, { id: 'local', type: 'dir', content: ['iso', 'import'] }) },
    ['user-data as a snippet: no storage of the node allows snippets'],
  ],
])('it passes on %s, and nothing is left', { timeout: 900_000 }, async (_, options, leftOut) => {
  await using stack = new AsyncDisposableStack()
  const lab = await startLab(options)
  stack.defer(() => lab.close())
  const site = stack.use(await createTrialSite(lab))
  const { code, stdout, stderr } = await site.trial(['--yes', '--json'])
  expect(code, `${stdout}\n${stderr}`).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ passed: true, leftOut, left: [] })
  await site.expectUntouched()
})

describe.sequential('nothing is left after kill -9 and --clean, killed at', () => {
  let lab: Lab
  let site: TrialSite

  beforeAll(async () => {
    lab = await startLab()
    site = await createTrialSite(lab)
  })
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]()
    await lab?.close()
  })

  test.each([...TRIAL_CHECKPOINTS, ...TRIAL_END_CHECKPOINTS])('%s', { timeout: 900_000 }, moment =>
    killedAndCleaned(site, moment),
  )
})
