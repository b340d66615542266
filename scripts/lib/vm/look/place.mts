import { displaced } from '../../registry/check.mts'
import { displacedHint } from '../../registry/divergence.mts'
import { type Entry, wasActive } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Site } from '../../site/site.mts'

/**
 * Says so where a VM has its VMID or address from a range that is configured no more. It keeps them all the same.
 * @throws ProxmintError (invalid) for one that never ran: by now somebody else may have the address.
 */
export async function checkPlace(entry: Entry, site: Pick<Site, 'pools'>): Promise<void> {
  const faults = displaced(entry, await site.pools())
  if (faults.length > 0 && !wasActive(entry)) throw movedAway(entry, faults)
  for (const fault of faults) {
    say(`warning: ${entry.name} stays as it is, although ${fault}; ${displacedHint(entry.name)}`)
  }
}

function movedAway({ name }: Entry, faults: string[]): ProxmintError {
  return new ProxmintError(`${name} never ran, and ${faults.join('; ')}`, {
    hint: displacedHint(name),
    exitCode: exitCodes.invalid,
  })
}
