/** The last lines of commands that make VMs: how to log in. */
import type { Answer } from '../../run/answer.mts'
import { openSite, type Site } from '../../site/site.mts'
import { howToLogIn } from '../look/how-to-log-in.mts'
import { userDataOf } from '../stack/user-data.mts'
import type { Applied } from './apply.mts'
import type { ApplyOutcome } from './apply-many.mts'

/** Says how to get into a VM that runs; empty for one that does not. */
export async function loginLines({ entry, did }: Applied, site: Site): Promise<string[]> {
  if (entry.phase !== 'active' || entry.design === null) return []
  return howToLogIn(entry, await userDataOf(site, entry, entry.design), did === 'made')
}

/** Adds to an answer how to get into the VMs that were made. */
export async function withLogins(
  answer: Answer,
  outcomes: ApplyOutcome[],
  site: Site = openSite(),
): Promise<Answer> {
  const made = outcomes.flatMap(outcome =>
    'result' in outcome && outcome.result.did === 'made' ? [outcome] : [],
  )
  const lines = await Promise.all(
    made.map(async ({ name, result }) => (await loginLines(result, site)).map(line => `${name}: ${line}`)),
  )
  const all = lines.flat()
  return all.length === 0 ? answer : { ...answer, text: `${answer.text}\n\n${all.join('\n')}` }
}
