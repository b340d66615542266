/** The verbs that bring VMs under the registry: create, adopt. */

import type { Answer } from '../../run/answer.mts'
import { type Arguments, usageError } from '../../run/command-line.mts'
import { withRow } from '../../run/progress.mts'
import { withRegistry } from '../../site/open-registry.mts'
import { openSite, type Site } from '../../site/site.mts'
import { adoptCommand } from '../life/adopt-command.mts'
import type { Applied } from '../life/apply.mts'
import { answerFor, inParallel } from '../life/apply-many.mts'
import { provisionVm } from '../life/create.mts'
import { loginLines, withLogins } from '../life/logins.mts'
import { formatVm } from '../look/list.mts'
import { warnOfUnknown } from '../look/unknown.mts'
import { openContext } from '../open.mts'
import { answerForMock, mockCreate } from '../plan/mock.mts'
import { draftVms } from '../plan/preview.mts'
import { wantedVms } from '../plan/wishes.mts'
import { type Verbs, vmSpec } from './verb.mts'

export const makeVerbs: Verbs = {
  async create({ store, site, signal }, args) {
    const wanted = await wantedVms(args)
    const parallel = args.integer('parallel', { min: 1, max: 100 })!
    const drafts = await draftVms(wanted, site, store)
    if (drafts.faults.length === wanted.size) return answerFor(drafts.faults)
    const userSignature = args.string('user-signature')
    if (userSignature !== undefined && wanted.size > 1) {
      throw usageError(vmSpec, '--user-signature is for one VM')
    }
    const options = { apply: args.flag('apply'), rollback: args.flag('rollback'), userSignature }
    const context = await openContext(store, site, signal)
    await warnOfUnknown(site, context.checks.client, await store.list())
    const create = (vm: string) =>
      provisionVm(vm, () => drafts.of(vm), { ...options, wishes: wanted.get(vm)! }, context)
    const [only] = wanted.keys()
    if (wanted.size === 1) return answerForOne(await create(only!), site)
    const work = (vm: string) => withRow(vm, () => create(vm))
    const outcomes = await inParallel([...wanted.keys()], parallel, signal, work)
    return withLogins(answerFor(outcomes), outcomes, site)
  },
  async adopt({ store, site, signal }, args) {
    return adoptCommand(args, await openContext(store, site, signal))
  },
}

async function answerForOne({ entry, did }: Applied, site: Site): Promise<Answer> {
  const text = formatVm(entry, new Date())
  if (did !== 'reserved') {
    const login = await loginLines({ entry, did }, site)
    return { document: entry, text: [text, login.join('\n')].filter(Boolean).join('\n\n') }
  }
  const next = `${entry.name} is reserved, and its configuration is written. To make it: zx scripts/apply.mts ${entry.name}`
  return { document: entry, text: `${text}\n\n${next}` }
}

/** `create --mock`: what would be made, without asking Proxmox. */
export async function mockVms(args: Arguments): Promise<Answer> {
  const wanted = await wantedVms(args)
  const site = openSite()
  return withRegistry(site, 'vm create --mock', async store =>
    answerForMock(await mockCreate(wanted, site, store), store),
  )
}
