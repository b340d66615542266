import { type Entry, type HistoryEvent, phases } from '../registry/entry.mts'
import { type Families, versionsOf } from '../templates/version.mts'

const MOST_RUNS = 20

/** Event of a VM template or a VM. */
export interface Run {
  /** ISO 8601. */
  at: string
  /** Name of the version or of the VM. */
  of: string
  what: string
  isFailure: boolean
  /** Duration of a build, or of a VM from its reservation to its first boot; undefined if it was not measured. */
  seconds: number | undefined
}

/** Lists the newest events of builds and VMs in lockfile and registry. */
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
    .slice(0, MOST_RUNS)
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
