/** What changes of a VM cost, and what a person agreed to. */
import { exitCodes, ProxmintError } from '../run/errors.mts'

/**
 * What a person agrees to with `--allow`. `reboot`: a VM that runs is powered off, and on again unless it is to be off.
 * `remove`: a device is removed. `data-loss`: a disk or a snapshot is deleted.
 */
export const COSTS = ['reboot', 'remove', 'data-loss'] as const
export type Cost = (typeof COSTS)[number]

/** One change of a VM. */
export interface Change {
  what: string
  /** Value in Proxmox. */
  from: string
  /** Value of the registry. */
  to: string
  /** Null: the VM runs on untouched. */
  cost: Cost | null
}

/** What a person agreed to for one VM. */
export interface Agreement {
  allowed: ReadonlySet<Cost>
  /** The command that the person repeats with `--allow`. */
  again: string
}

export const NOTHING_AGREED: Agreement = { allowed: new Set(), again: '' }

/** Formats changes: `memory 4096 -> 2048, cores 4 -> 2`. */
export function changesText(changes: readonly Change[]): string {
  return changes.map(({ what, from, to }) => `${what} ${from} -> ${to}`).join(', ')
}

/** Lists the costs of changes, each once. */
export function costsOf(changes: readonly Pick<Change, 'cost'>[]): Cost[] {
  return COSTS.filter(cost => changes.some(change => change.cost === cost))
}

/**
 * Compares the costs of changes with what was agreed to.
 * @throws ProxmintError (invalid) that names each change and the words it needs.
 */
export function requireAllowed(
  name: string,
  changes: readonly Change[],
  { allowed, again }: Agreement,
): void {
  const refused = changes.filter(({ cost }) => cost !== null && !allowed.has(cost))
  if (refused.length === 0) return
  const words = costsOf(changes)
  throw new ProxmintError(`${name} was not changed: nobody agreed to ${refusedText(refused)}`, {
    facts: { changes: changesText(changes) },
    hint: `to agree: ${again} ${words.map(word => `--allow ${word}`).join(' ')}`,
    exitCode: exitCodes.invalid,
  })
}

const MEANING: Record<Cost, string> = {
  reboot: 'a reboot',
  remove: 'the removal of a device',
  'data-loss': 'the loss of data',
}

function refusedText(refused: readonly Change[]): string {
  return costsOf(refused)
    .map(cost => {
      const own = refused.filter(change => change.cost === cost)
      return `${MEANING[cost]} (${changesText(own)})`
    })
    .join(' and to ')
}
