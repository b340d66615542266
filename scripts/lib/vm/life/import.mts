/** The verb `vm import`. */
import { readFile } from 'node:fs/promises'
import { contains, parseAddress } from '../../config/addresses.mts'
import type { Pool } from '../../config/pools.mts'
import { readPredecessor } from '../../registry/predecessor.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Answer } from '../../run/answer.mts'
import { counted } from '../../run/counted.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { printableLine } from '../../run/printable.mts'
import type { Site } from '../../site/site.mts'

/**
 * Adds the living VMs of a `vms.json` to the registry, without those that have a conflict.
 * @returns with the exit code done if all are added, partial if some are, and invalid if none is.
 * @throws ProxmintError (usage) for a file that cannot be read, and if VMs conflict with the registry: nothing is added.
 */
export async function importVms(file: string, store: RegistryStore, site: Site): Promise<Answer> {
  const text = await readFile(file, 'utf8').catch(cause => {
    throw new ProxmintError(`cannot read ${file}`, {
      hint: 'check the path, and that this user may read the file',
      cause,
      exitCode: exitCodes.usage,
    })
  })
  const { pools } = await site.pools()
  const poolOf = (address: string): Pool | undefined =>
    Object.values(pools).find(pool => contains(pool.range, parseAddress(address)!))
  const { entries, conflicts } = readPredecessor(text, poolOf, new Date())
  if (entries.length > 0) await store.add(entries, [])
  const some = conflicts.length > 0 ? exitCodes.partial : exitCodes.done
  return {
    document: { imported: entries, conflicts },
    text: [
      `${counted(entries.length, 'VM')} imported, ${counted(conflicts.length, 'conflict')}`,
      ...conflicts.map(conflict => `  - ${printableLine(conflict)}`),
      ...(entries.length + conflicts.length === 0 ? ['The file has no living VM.'] : []),
    ].join('\n'),
    exitCode: entries.length === 0 ? exitCodes.invalid : some,
  }
}
