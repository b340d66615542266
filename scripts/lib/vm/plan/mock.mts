import { loadCredentials } from '../../credentials/load.mts'
import type { Entry } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Answer } from '../../run/answer.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import { ownValue } from '../../run/own-value.mts'
import { requireFamily } from '../../site/checked-template.mts'
import type { Site } from '../../site/site.mts'
import { formatVm, formatVms } from '../look/list.mts'
import { renderVm } from '../stack/folder.mts'
import type { VmWishes } from './design.mts'
import { draftVm, type FindTemplate, findTemplate } from './draft.mts'
import { type GivenDifference, givenDifferences, givenText } from './given.mts'
import { requireLogin } from './logins.mts'
import { previewDrafts, sayOwnKeys } from './preview.mts'

/** One VM of `vm create --mock`. */
interface MockedVm {
  entry: Entry
  /** `main.tf.json`; null for a VM that exists, about which `create` would change nothing. */
  configuration: object | null
  /** What could not be known, a phrase each. */
  unknown: string[]
  /** Given options that a VM that exists does not have. */
  differences: GivenDifference[]
}

/** In the place of a node or storage that only the credentials tell. */
const unknownName = 'unknown'

const unasked =
  'what only Proxmox tells: VMIDs that others have, privileges, the disk of the VM template, the node of `--node auto`'

/** Shows what `vm create` would make. Asks neither Proxmox nor for credentials, and writes nothing. */
export async function mockCreate(
  wanted: ReadonlyMap<string, VmWishes>,
  site: Site,
  store: RegistryStore,
): Promise<MockedVm[]> {
  const unknown = new Set<string>()
  const fresh = new Map<string, VmWishes>()
  const mocked: MockedVm[] = []
  for (const [name, wishes] of wanted) {
    const entry = await store.find(name)
    if (entry === undefined) fresh.set(name, wishes)
    else
      mocked.push({ entry, configuration: null, unknown: [], differences: givenDifferences(entry, wishes) })
  }
  const place = await defaultPlace(unknown)
  const drafts = Array.from(fresh, ([name, wishes]) => draftVm(site, name, wishes, templateIfAny(unknown)))
  const all = await Promise.all(drafts)
  for (const draft of all) await requireLogin(draft, draft.design, site)
  sayOwnKeys(all)
  for (const entry of await previewDrafts(all, place, site, store)) {
    const { configuration } = await renderVm(site, entry, false)
    mocked.push({ entry, configuration, unknown: [...unknown, unasked], differences: [] })
  }
  return mocked
}

/** Where VMs are made for which no node is wished, as far as that is known. */
async function defaultPlace(unknown: Set<string>): Promise<{ node: string; storagePool: string }> {
  return loadCredentials().catch(error => {
    if (!(error instanceof ProxmintError)) throw error
    unknown.add(`node and storage, where \`${unknownName}\` stands: ${messageOf(error)}`)
    const { PROXMOX_NODE: node, PROXMOX_STORAGE_POOL: storagePool } = process.env
    return { node: node || unknownName, storagePool: storagePool || unknownName }
  })
}

/** A family that has no version yet is no reason to show nothing. */
function templateIfAny(unknown: Set<string>): FindTemplate {
  return async (site, family, wishes) => {
    const families = await site.families()
    if (wishes.templateVmid === undefined) await requireFamily(family, families)
    const isThere =
      wishes.templateVmid !== undefined || (ownValue(families, family)?.current ?? null) !== null
    if (isThere) return findTemplate(site, family, wishes)
    unknown.add(`the VM template, where VMID 0 stands: ${family} has no current version yet`)
    return { vmid: 0 }
  }
}

/** For a person: one VM with its configuration, several as a table. */
export function answerForMock(mocked: MockedVm[], { description }: RegistryStore): Answer {
  const unknown = new Set(mocked.flatMap(one => one.unknown))
  const notes = [
    'This was --mock: nothing was written.',
    ...mocked.filter(({ configuration }) => configuration === null).flatMap(unchanged),
    ...(mocked.length > 1 ? ['--json shows the configuration of each.'] : []),
    ...(unknown.size === 0 ? [] : [`VMIDs and addresses are the next of ${description}. Not known is`]),
    ...Array.from(unknown, what => `  - ${what}`),
  ]
  const document = mocked.length === 1 ? mocked[0] : mocked
  const differs = mocked.some(({ differences }) => differences.length > 0)
  const exitCode = differs ? exitCodes.invalid : exitCodes.done
  return { document, text: [...shown(mocked), notes.join('\n')].join('\n\n'), exitCode }
}

function shown(mocked: MockedVm[]): string[] {
  const entries = mocked.map(({ entry }) => entry)
  if (entries.length > 1) return [formatVms(entries, new Date())]
  return mocked.flatMap(({ entry, configuration }) => [
    formatVm(entry, new Date()),
    ...(configuration === null ? [] : [JSON.stringify(configuration, null, 2)]),
  ])
}

function unchanged({ entry, differences }: MockedVm): string[] {
  const { name, phase } = entry
  if (differences.length === 0)
    return [`${name} is ${phase} already: \`create\` would change nothing about it.`]
  return [
    `${name} is ${phase} already: \`create\` would refuse it.`,
    ...differences.map(one => `  - ${givenText(entry, one)}`),
  ]
}
