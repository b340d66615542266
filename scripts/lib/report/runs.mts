import { type Entry, type HistoryEvent, phases } from '../registry/entry.mts'
import { type Families, versionsOf } from '../templates/version.mts'

const mostRuns = 20

/** Something that was done. */
export interface Run {
  /** ISO 8601. */
  at: string
  /** The version that was built, or the VM. */
  of: string
  what: string
  isFailure: boolean
  /** Of a build; of a VM from its reservation to its first boot; undefined: nobody measured it. */
  seconds: number | undefined
}

/** The newest, from what lockfile and registry keep of builds and VMs. */
export function runsOf(families: Families, entries: Entry[]): Run[] {
  const builds = Object.values(families)
    .flatMap(versionsOf)
    .map(
      ({ name, builtAt, buildSeconds, test }): Run => ({
        at: builtAt,
        of: name,
        what: test === null ? 'built, not tested' : `built, test ${test.passed ? 'passed' : 'failed'}`,
        isFailure: test?.passed === false,
        seconds: buildSeconds,
      }),
    )
  return [...builds, ...entries.flatMap(vmRuns)]
    .toSorted((a, b) => b.at.localeCompare(a.at))
    .slice(0, mostRuns)
}

function vmRuns({ name, createdAt, history }: Entry): Run[] {
  const firstBoot = history.find(({ what }) => what === 'active')
  const done = history.filter(({ what }) => what !== 'reserved')
  return done.map(event => ({
    at: event.at,
    of: name,
    what: event.what,
    isFailure: isFailure(event),
    seconds: event === firstBoot ? (Date.parse(event.at) - Date.parse(createdAt)) / 1000 : undefined,
  }))
}

function isFailure({ what }: HistoryEvent): boolean {
  return !phases.some(phase => phase === what) && / failed: /.test(what)
}
