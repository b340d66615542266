import { parseRange } from '../../../scripts/lib/config/addresses.mts'
import type { Pool } from '../../../scripts/lib/config/pools.mts'
import type { Entry } from '../../../scripts/lib/registry/entry.mts'
import type { Limits, WantedEntry } from '../../../scripts/lib/registry/store.mts'

export const now = new Date('2026-01-05T10:00:00.000Z')

export function pool(addresses = '192.168.122.200-192.168.122.250', reserved: string[] = []): Pool {
  const range = parseRange(addresses)!
  const prefix = range.family === 4 ? 24 : 64
  return {
    name: 'default',
    range,
    prefix,
    gateway: undefined,
    dns: [],
    bridge: undefined,
    vlan: undefined,
    reserved: new Set(reserved),
  }
}

export function wanted(name: string, changes: Partial<WantedEntry> = {}): WantedEntry {
  return {
    name,
    node: null,
    owner: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
    expiresAt: '2026-02-04T10:00:00.000Z',
    template: { family: 'debian', version: 'debian-20260105-0a1b2c3d' },
    token: { status: 'reserved', id: null, transaction: null },
    design: null,
    purpose: 'test',
    pool: pool(),
    vmid: undefined,
    address: undefined,
    ...changes,
  }
}

export function limits(changes: Partial<Limits> = {}): Limits {
  return { vmidRange: [100, 999], takenVmids: new Set(), now, ...changes }
}

export function entry(name: string, changes: Partial<Entry> = {}): Entry {
  const { pool: _, vmid: __, address: ___, ...about } = wanted(name)
  return {
    ...about,
    id: `id of ${name}`,
    phase: 'active',
    vmid: 150,
    pool: 'default',
    address: '192.168.122.230',
    failure: null,
    createdAt: now.toISOString(),
    history: [],
    ...changes,
  }
}
