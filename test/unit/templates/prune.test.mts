import { describe, expect, test } from 'vitest'
import { planPrune, type VersionUse } from '../../../scripts/lib/templates/prune-plan.mts'
import type { Families, FamilyVersions } from '../../../scripts/lib/templates/version.mts'
import { version } from './sample.mts'

const now = new Date('2026-11-30T10:00:00.000Z')
const dayMs = 86_400_000

const debian: FamilyVersions = {
  current: version(20),
  previous: version(10),
  candidate: version(21),
  retired: [version(15), version(12), version(9), version(1)],
}

function planned(
  { keep = 1, minAgeDays = 7, uses = [] }: { keep?: number; minAgeDays?: number; uses?: VersionUse[] } = {},
  families: Families = { debian },
) {
  const wanted = { families: Object.keys(families), keep, minAgeMs: minAgeDays * dayMs, now }
  const { remove, keep: kept } = planPrune(families, uses, wanted)
  const day = (name: string): number => Number(name.slice(13, 15))
  return {
    remove: remove.map(one => day(one.version.name)),
    kept: Object.fromEntries(kept.map(one => [day(one.version), one.reason])),
  }
}

const channels = {
  20: 'it is the current version',
  10: 'it is the previous version',
  21: 'it is the candidate version',
}

describe('what is in no channel, old enough and not needed goes', () => {
  test('all of it', () => {
    expect(planned()).toEqual({ remove: [15, 12, 9, 1], kept: channels })
  })

  test('but the newest, counted with those in channels', () => {
    const reason = 'it is one of the newest 3'
    expect(planned({ keep: 3 })).toEqual({ remove: [12, 9, 1], kept: { ...channels, 15: reason } })
  })

  test('but the young', () => {
    const old = { 15: 'it is 15 days old, younger than 18 days', 12: undefined }
    expect(planned({ minAgeDays: 18 })).toEqual({ remove: [12, 9, 1], kept: { ...channels, 15: old[15] } })
  })

  test('but what somebody uses, by all who do', () => {
    const uses = [
      { version: version(12).name, by: 'VM 105 (web), a linked clone' },
      { version: version(12).name, by: 'the branch next (current)' },
      { version: version(20).name, by: 'VM 106' },
    ]
    expect(planned({ uses })).toEqual({
      remove: [15, 9, 1],
      kept: { ...channels, 12: 'used by VM 105 (web), a linked clone; the branch next (current)' },
    })
  })
})

test('a use keeps also what is old and far behind', () => {
  const uses = [{ version: version(1).name, by: 'VM 7' }]
  expect(planned({ uses, keep: 1, minAgeDays: 0 }).kept[1]).toBe('used by VM 7')
})

test('an age of less than a day is said so', () => {
  const young = version(30, { builtAt: '2026-11-30T09:00:00.000Z' })
  const families = { debian: { ...debian, candidate: null, retired: [young] } }
  expect(planned({ keep: 1, minAgeDays: 1 }, families).kept[30]).toBe('it is the newest')
  const newer = {
    debian: {
      ...families.debian,
      current: version(30, { builtAt: '2026-11-30T09:30:00.000Z', name: 'debian-20261129-x' }),
    },
  }
  expect(planned({ keep: 1, minAgeDays: 1 }, newer).kept[30]).toBe(
    'it is less than a day old, younger than 1 day',
  )
})

test('only the families that were named, and those without versions not at all', () => {
  const families: Families = { debian, ubuntu: { ...debian, retired: [version(2)] } }
  const wanted = { families: ['ubuntu', 'arch'], keep: 1, minAgeMs: 0, now }
  expect(planPrune(families, [], wanted).remove.map(({ os }) => os)).toEqual(['ubuntu'])
})

test('families do not count for each other', () => {
  const one = (day: number): FamilyVersions => ({
    current: null,
    previous: null,
    candidate: null,
    retired: [version(day)],
  })
  const wanted = { families: ['a', 'b'], keep: 1, minAgeMs: 0, now }
  expect(planPrune({ a: one(1), b: one(2) }, [], wanted).remove).toEqual([])
})
