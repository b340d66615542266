import { formatTable } from '../../run/table.mts'
import type { GcOutcome } from './gc.mts'

/** A row for each VM that something is due for. */
export function formatGc(outcomes: GcOutcome[], execute: boolean): string {
  if (outcomes.length === 0) return 'nothing is due'
  const rows = outcomes.map(({ name, vmid, address, expiresAt, due, result, error }) => [
    name,
    String(vmid),
    address,
    expiresAt.slice(0, 10),
    due,
    error === undefined ? result : `${result}: ${error.split('\n')[0]}`,
  ])
  const text = formatTable(['name', 'VMID', 'address', 'expired', 'due', 'result'], rows)
  return execute ? text : `${text}\nnothing was changed; to do it: zx scripts/gc.mts --execute`
}
