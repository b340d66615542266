/** File of `registry backup`, which `registry restore` reads. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { schemaFaults } from '../config/schema-faults.mts'
import { conflictsOf } from '../registry/check.mts'
import { expiryMs } from '../registry/due.mts'
import { type Entry, isVmName } from '../registry/entry.mts'
import { conflicting } from '../registry/revise.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'

const FORMAT_VERSION = 2
const SCHEMA = new URL('../registry/entry.schema.json', import.meta.url)

/** Content of a registry. */
export interface Contents {
  entries: Entry[]
  archived: Entry[]
}

interface Backup extends Contents {
  /** Version of the format. 1 has no checksum. */
  proxmintRegistry: 1 | 2
  /** Of `entries` and `archived`. */
  checksum?: string
}

export async function writeBackup(file: string, { entries, archived }: Contents): Promise<void> {
  const checksum = checksumOf({ entries, archived })
  const backup: Backup = { proxmintRegistry: FORMAT_VERSION, checksum, entries, archived }
  await writeFileAtomic(file, `${JSON.stringify(backup, null, 2)}\n`, 0o600)
}

/**
 * Reads a backup and checks all of it. Warns if it has no checksum.
 * @throws ProxmintError (usage) if it cannot be read or its entries contradict each other, (invalid) if it is not a backup
 *   or is damaged.
 */
export async function readBackup(file: string): Promise<Contents> {
  const backup = requireBackup(file, parsed(await textOf(file)))
  requireChecksum(file, backup)
  const { entries, archived } = backup
  const faults = await faultsOf({ entries, archived })
  if (faults.length > 0) throw damaged(file, faults.join('\n  - '))
  const conflicts = conflictsOf([], entries)
  if (conflicts.length > 0) throw conflicting(conflicts)
  return { entries, archived }
}

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(cause => {
    throw new ProxmintError(`cannot read the backup ${file}: ${codeOf(cause)}`, {
      hint: 'give the file that `zx scripts/registry.mts backup FILE` wrote',
      cause,
      exitCode: exitCodes.usage,
    })
  })
}

function parsed(text: string): Partial<Backup> | undefined {
  try {
    return JSON.parse(text) ?? undefined
  } catch {
    return undefined
  }
}

function requireBackup(file: string, backup: Partial<Backup> | undefined): Backup {
  const version = Number(backup?.proxmintRegistry)
  if (version > FORMAT_VERSION) throw newer(file, version)
  const isBackup = version >= 1 && [backup!.entries, backup!.archived].every(list => Array.isArray(list))
  if (isBackup) return backup as Backup
  throw new ProxmintError(`${file} is not a backup of a registry`, {
    hint: '`zx scripts/registry.mts backup FILE` writes one; `zx scripts/vm.mts import FILE` reads a vms.json',
    exitCode: exitCodes.invalid,
  })
}

function requireChecksum(file: string, { proxmintRegistry, checksum, entries, archived }: Backup): void {
  if (proxmintRegistry === 1) {
    say(`warning: ${file} was written by an older proxmint and has no checksum: damage may go unnoticed`)
  } else if (checksum !== checksumOf({ entries, archived })) {
    throw damaged(file, 'its checksum is wrong')
  }
}

function checksumOf(contents: Contents): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(contents)).digest('hex')}`
}

/** Lists what is wrong with single entries, one sentence each. */
async function faultsOf({ entries, archived }: Contents): Promise<string[]> {
  const lists = [
    { list: entries, isDestroyed: false },
    { list: archived, isDestroyed: true },
  ]
  const found = lists.flatMap(({ list, isDestroyed }) =>
    list.map((entry, index) => faultsOfEntry(entry, index, isDestroyed)),
  )
  return (await Promise.all(found)).flat()
}

async function faultsOfEntry(entry: Entry, index: number, isDestroyed: boolean): Promise<string[]> {
  const found: unknown = entry?.name
  const name = typeof found === 'string' && isVmName(found) ? found : `entry ${index + 1}`
  const faults = (await schemaFaults(SCHEMA, entry)).map(({ sentence }) =>
    sentence.replace(/^the file/, 'it'),
  )
  if (faults.length === 0) faults.push(...faultsOfPhase(entry, isDestroyed), ...faultsOfDates(entry))
  return faults.map(fault => `${name}: ${fault}`)
}

function faultsOfPhase({ phase }: Entry, isDestroyed: boolean): string[] {
  if ((phase === 'destroyed') === isDestroyed) return []
  return [isDestroyed ? `it is among the destroyed, and its phase is ${phase}` : 'its phase is destroyed']
}

/**
 * A VM that expired before it was made would be suspended by the next `gc`. One that was imported or adopted may have
 * expired before.
 */
function faultsOfDates({ createdAt, expiresAt, history }: Entry): string[] {
  const dates = [createdAt, expiresAt ?? createdAt, ...history.map(({ at }) => at)]
  const wrong = dates.filter(date => Number.isNaN(Date.parse(date))).map(date => `${date} is not a date`)
  const isFromElsewhere = history.some(({ what }) => /^(imported|adopted)/.test(what))
  if (wrong.length > 0 || isFromElsewhere || expiryMs({ expiresAt }) >= Date.parse(createdAt)) return wrong
  return [`it expires on ${expiresAt}, before it was reserved on ${createdAt}`]
}

function damaged(file: string, why: string): ProxmintError {
  return new ProxmintError(`the backup ${file} is damaged:\n  - ${why}`, {
    hint: 'nothing was changed; use another backup',
    exitCode: exitCodes.invalid,
  })
}

function newer(file: string, version: number): ProxmintError {
  return new ProxmintError(
    `${file} was written by a newer proxmint (version ${version} of the format, not ${FORMAT_VERSION})`,
    { hint: 'use that version; nothing was changed', exitCode: exitCodes.invalid },
  )
}
