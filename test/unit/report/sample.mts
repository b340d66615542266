/** A site as a report finds it: two families, nine VMs, two pools. Names and numbers are invented. */
import { parseRange } from '../../../scripts/lib/config/addresses.mts'
import type { Entry } from '../../../scripts/lib/registry/entry.mts'
import type { ReportFacts } from '../../../scripts/lib/report/facts.mts'
import { entry, pool } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'

export const now = new Date('2026-11-28T18:40:00.000Z')
const dayMs = 86_400_000
/** ISO 8601, so many days from now. */
export const inDays = (days: number): string => new Date(now.getTime() + days * dayMs).toISOString()

interface Sample {
  name: string
  age: number
  left: number
  purpose: string
  changes?: Partial<Entry>
}

const debian = { family: 'debian', version: version(21).name }

const samples: Sample[] = [
  { name: 'shop', age: 19, left: 11, purpose: 'web shop' },
  { name: 'shop-db', age: 19, left: 11, purpose: 'its database' },
  { name: 'wiki', age: 25, left: 5, purpose: 'wiki' },
  { name: 'build-1', age: 12, left: 48, purpose: 'CI' },
  { name: 'build-2', age: 12, left: 48, purpose: 'CI' },
  {
    name: 'trial',
    age: 32,
    left: -2,
    purpose: 'a trial',
    changes: { phase: 'suspended', history: [{ at: inDays(-2), what: 'suspended' }] },
  },
  { name: 'mail', age: 29, left: 170, purpose: 'mail' },
  {
    name: 'game',
    age: 1,
    left: 29,
    purpose: '',
    changes: {
      phase: 'created',
      failure: { step: 'boot', why: 'game does not have the address 192.168.122.208', at: inDays(-0.9) },
      history: [
        { at: inDays(-1), what: 'reserved' },
        { at: inDays(-0.95), what: 'created' },
        { at: inDays(-0.9), what: 'boot failed: game does not have the address 192.168.122.208' },
      ],
    },
  },
  { name: 'lab-7', age: 0.2, left: 30, purpose: 'course', changes: { phase: 'reserved', history: [] } },
]

function vm({ name, age, left, purpose, changes }: Sample, index: number): Entry {
  const booted = new Date(Date.parse(inDays(-age)) + (31 + index) * 1000).toISOString()
  return entry(name, {
    vmid: 101 + index,
    address: `192.168.122.${201 + index}`,
    node: 'pve',
    template: debian,
    createdAt: inDays(-age),
    expiresAt: inDays(left),
    purpose,
    history: [
      { at: inDays(-age), what: 'reserved' },
      { at: booted, what: 'active' },
    ],
    ...changes,
  })
}

export function sampleFacts(changes: Partial<ReportFacts> = {}): ReportFacts {
  return {
    now,
    site: 'home',
    families: {
      debian: {
        current: version(21),
        previous: version(14, { buildSeconds: 74 }),
        candidate: version(28, { test: null, buildSeconds: 58 }),
        retired: [version(7, { buildSeconds: 66 })],
      },
      ubuntu: {
        current: version(20, {
          name: 'ubuntu-20261120-5f2a90c1',
          copies: [{ vmid: 9040, node: 'pve', storage: 'tank', buildId: 'b' }],
          buildSeconds: 83,
        }),
        previous: null,
        candidate: null,
        retired: [],
      },
    },
    entries: samples.map(vm),
    archived: [],
    pools: {
      expiryDays: 30,
      graceDays: 3,
      rollbackDays: 7,
      vmidRange: [100, 999],
      defaultPool: 'default',
      pools: {
        default: pool('192.168.122.200-192.168.122.250', ['192.168.122.200']),
        lab: { ...pool(), name: 'lab', range: parseRange('10.20.0.0/20')! },
      },
    },
    reconciled: {
      findings: [
        {
          name: 'trial',
          what: 'it is suspended, but VM 106 is running',
          hint: 'zx scripts/vm.mts resume trial, or --fix',
          fix: 'power it off',
        },
      ],
    },
    ...changes,
  }
}
