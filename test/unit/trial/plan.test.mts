import { describe, expect, test } from 'vitest'
import { parseRange } from '../../../scripts/lib/config/addresses.mts'
import type { Pool } from '../../../scripts/lib/config/pools.mts'
import { reasonIn } from '../../../scripts/lib/trial/command.mts'
import { describePlan, planTrial, type TrialFacts, vmidsFor } from '../../../scripts/lib/trial/plan.mts'
import { stepsOf } from '../../../scripts/lib/trial/steps.mts'

const pool: Pool = {
  name: 'lan',
  range: parseRange('10.0.0.10-10.0.0.13')!,
  prefix: 24,
  gateway: '10.0.0.1',
  dns: [],
  bridge: undefined,
  vlan: undefined,
  reserved: new Set(['10.0.0.13']),
}

const storage = (id: string, type: string, content: string) => ({ storage: id, type, content, active: 1 })

const facts: TrialFacts = {
  id: 'ab12cd',
  node: 'pve1',
  diskStorage: 'thin',
  imageStorage: 'files',
  storages: [storage('thin', 'lvmthin', 'images,rootdir'), storage('files', 'dir', 'iso,import,snippets')],
  vmids: [100, 99_010],
  ownRanges: [
    [9000, 9899],
    [99_100, 99_110],
  ],
  firstVmid: undefined,
  image: 'debian-12',
  source: {
    url: 'https://example.org/d.qcow2',
    file: undefined,
    checksumsUrl: undefined,
    checksum: undefined,
    firstBoot: 'agent',
    firmware: undefined,
  },
  base: undefined,
  importAnyway: false,
  pool,
  takenAddresses: new Set(['10.0.0.12']),
  userDataStorage: 'files',
  hasNodeSsh: true,
  mayMakePools: true,
  mayDeleteImages: true,
  bridges: ['vmbr0', 'vmbr7'],
  sizes: { templateMemoryMib: 2048, baseDiskGib: undefined, vmDiskGib: 10 },
  templateTakesPool: true,
}

const plan = (changed: Partial<TrialFacts> = {}) => planTrial({ ...facts, ...changed })
const keys = (changed: Partial<TrialFacts> = {}) => stepsOf(plan(changed)).map(({ key }) => key)

describe('a plan', () => {
  test('takes VMIDs that nobody has and the config does not give out', () => {
    expect(plan().firstVmid).toBe(99_200)
    expect(vmidsFor(plan(), 'vms')).toEqual([99_220, 99_229])
    expect(plan({ firstVmid: 5000 }).firstVmid).toBe(5000)
  })

  test('refuses VMIDs that a guest or a disk has', () => {
    expect(() => plan({ firstVmid: 99_000 })).toThrow(
      'the VMIDs 99000 to 99029, and of these a guest or a disk has 99010',
    )
  })

  test('imports no image that would stay', () => {
    expect(() => plan({ mayDeleteImages: false })).toThrow('lacks Datastore.Allocate on /storage/files')
    const base = { name: 'proxmint-base-debian-12', vmid: 9900 }
    expect(plan({ mayDeleteImages: false, base }).base.kind).toBe('found')
  })

  test('takes the last address that is free', () => {
    expect(plan().addresses).toEqual({ pool: 'lan', address: '10.0.0.11' })
    const takenAddresses = new Set(['10.0.0.10', '10.0.0.11', '10.0.0.12'])
    expect(() => plan({ takenAddresses })).toThrow('every address of the pool lan is taken')
  })

  test('imports an image under a name of its own, and uses a base VM that is there', () => {
    expect(plan().base).toMatchObject({ kind: 'imported', image: 'debian-12-trial-ab12cd' })
    const base = { name: 'proxmint-base-debian-12', vmid: 9900 }
    expect(plan({ base }).base).toEqual({ kind: 'found', ...base })
    expect(plan({ base, importAnyway: true }).base.kind).toBe('imported')
    expect(plan({ base, source: undefined }).base.kind).toBe('found')
    expect(() => plan({ source: undefined })).toThrow('has no image debian-12')
  })

  test('tries both ways of user-data, each on a storage that takes it', () => {
    expect(plan().deliveries).toEqual([
      { kind: 'snippet', storage: 'files' },
      { kind: 'iso', storage: 'files' },
    ])
    expect(plan().leftOut).toEqual([])
  })

  test('says what it leaves out, and why', () => {
    const noSsh = plan({ hasNodeSsh: false, mayMakePools: false })
    expect(noSsh.deliveries).toEqual([{ kind: 'iso', storage: 'files' }])
    expect(noSsh.resourcePool).toBeUndefined()
    expect(noSsh.leftOut).toEqual([
      'user-data as a snippet: the credentials have no SSH login to the node',
      'a resource pool of its own: the API token lacks Pool.Allocate',
    ])
    const text = describePlan(noSsh).join('\n')
    for (const line of noSsh.leftOut) expect(text).toContain(`- ${line}`)
    const storages = [storage('thin', 'lvmthin', 'images'), storage('files', 'dir', 'iso')]
    expect(plan({ storages }).leftOut).toEqual([
      'user-data as a snippet: no storage of the node allows snippets',
    ])
    expect(() => plan({ storages: storages.slice(0, 1) })).toThrow('no VM can be made here')
  })

  test('is told whole before it begins', () => {
    const text = describePlan(plan()).join('\n')
    const made = [
      'pve1',
      'thin',
      'files',
      '99200 to 99229',
      '10.0.0.11',
      'vmbr7',
      'proxmint-trial-ab12cd',
      'd.qcow2',
    ]
    for (const word of made) expect(text).toContain(word)
  })

  test('tells how much it takes at most', () => {
    expect(describePlan(plan())).toEqual(
      expect.arrayContaining([
        '- at one time at most 4 VMs and VM templates, of which two run, with 4096 MiB of memory together',
        '- a disk for each of them: the VM has 10 GiB, the others have the size of the image, and one test clone has 1 GiB more',
      ]),
    )
    const base = { name: 'proxmint-base-debian-12', vmid: 9900 }
    const small = plan({ base, sizes: { templateMemoryMib: 512, baseDiskGib: 3, vmDiskGib: 20 } })
    expect(describePlan(small)).toEqual(
      expect.arrayContaining([
        '- at one time at most 3 VMs and VM templates, of which two run, with 2816 MiB of memory together',
        '- a disk for each of them: the VM has 20 GiB, the others have 3 GiB, and one test clone has 1 GiB more',
      ]),
    )
  })
})

test('the steps are those of the plan', () => {
  expect(keys()).toEqual([
    ...['doctor', 'permissions', 'pool', 'import', 'build', 'snippet', 'change', 'suspend', 'resume'],
    ...['second', 'rebuild', 'compare', 'snippetgone', 'iso', 'isogone'],
  ])
  const base = { name: 'proxmint-base-debian-12', vmid: 9900 }
  expect(keys({ base, hasNodeSsh: false, mayMakePools: false })).toEqual([
    ...['doctor', 'permissions', 'build', 'iso', 'change', 'suspend', 'resume'],
    ...['second', 'rebuild', 'compare', 'isogone'],
  ])
})

describe('the reason of a failure', () => {
  test('is the error and its hint', () => {
    expect(reasonIn(['build ...', 'error: no', '  why: so', 'hint: do'])).toEqual([
      'error: no',
      '  why: so',
      'hint: do',
    ])
  })

  test('is each fault of the doctor, with its fix', () => {
    const words = [
      'ok     tools',
      'FAULT  clock  late',
      '         fix: ntp',
      'note   x',
      '   fix: y',
      '1 fault',
    ]
    expect(reasonIn(words)).toEqual(['FAULT  clock  late', '         fix: ntp'])
  })

  test('is the end of any other text', () => {
    expect(reasonIn(Array.from({ length: 30 }, (_, line) => String(line)))).toHaveLength(20)
  })
})
