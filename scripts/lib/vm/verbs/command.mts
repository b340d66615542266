/**
 * Runs a verb of `vm`. A verb is added in two places: its options in scripts/vm.mts, its function in the file of its
 * matter in this folder (a new file is named here).
 */
import type { Answer } from '../../run/answer.mts'
import type { Arguments } from '../../run/command-line.mts'
import { withRegistry } from '../../site/open-registry.mts'
import { openSite } from '../../site/site.mts'
import { withVmRegistry } from '../open.mts'
import { changeVerbs } from './change.mts'
import { entryVerbs } from './entries.mts'
import { makeVerbs, mockVms } from './make.mts'
import { powerVerbs } from './power.mts'
import { renewVerbs } from './renew.mts'
import { restoreVerbs } from './restore.mts'
import type { Verbs } from './verb.mts'

/** Those that work on the VMs themselves. */
const onVms: Verbs = { ...makeVerbs, ...changeVerbs, ...renewVerbs, ...powerVerbs, ...restoreVerbs }

/** Runs one verb. */
export async function vmCommand(args: Arguments, signal: AbortSignal): Promise<Answer> {
  const { verb } = args
  if (args.flag('mock')) return mockVms(args)
  const purpose = ['vm', ...args.positionals].join(' ')
  const site = openSite()
  const run = onVms[verb]
  if (run !== undefined) return withVmRegistry(site, purpose, store => run({ store, site, signal }, args))
  return withRegistry(site, purpose, store => entryVerbs[verb]!({ store, site, signal }, args))
}
