import type { PoolClient } from 'pg'
import { formatAddress } from '../../config/addresses.mts'
import type { Cursors, Held } from '../allocate.mts'

/** Looks up names, VMIDs and addresses of the living entries in a transaction. */
export function heldIn(client: PoolClient): Held {
  const nameWhere = async (condition: string, value: unknown): Promise<string | undefined> => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT name FROM proxmint_entries WHERE ${condition}`,
      [value],
    )
    return rows[0]?.name
  }
  return {
    hasName: async name => (await nameWhere('name = $1', name)) !== undefined,
    ownerOfVmid: vmid => nameWhere('vmid = $1', vmid),
    ownerOfAddress: address => nameWhere('address = $1::inet', address),
    vmidsBetween: async (first, last) => {
      const { rows } = await client.query<{ vmid: number }>(
        'SELECT vmid FROM proxmint_entries WHERE vmid BETWEEN $1 AND $2',
        [first, last],
      )
      return new Set(rows.map(({ vmid }) => vmid))
    },
    addressesBetween: async (first, last) => {
      const { rows } = await client.query<{ address: string }>(
        `SELECT entry->>'address' AS address FROM proxmint_entries WHERE address BETWEEN $1::inet AND $2::inet`,
        [formatAddress(first), formatAddress(last)],
      )
      return new Set(rows.map(({ address }) => address))
    },
  }
}

export async function readCursors(client: PoolClient): Promise<Cursors> {
  const { rows } = await client.query<{ key: string; value: string }>(
    'SELECT key, value FROM proxmint_cursors',
  )
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
}

export async function writeCursors(client: PoolClient, cursors: Cursors): Promise<void> {
  await client.query(
    `INSERT INTO proxmint_cursors SELECT * FROM unnest($1::text[], $2::text[])
     ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    [Object.keys(cursors), Object.values(cursors)],
  )
}
