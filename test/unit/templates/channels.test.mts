import { describe, expect, test } from 'vitest'
import {
  addCandidate,
  forget,
  promote,
  recordTest,
  revoke,
  rollback,
} from '../../../scripts/lib/templates/channels.mts'
import type { Families, FamilyVersions, TemplateVersion } from '../../../scripts/lib/templates/version.mts'
import { failureOf } from '../failure.mts'
import { failed, version } from './sample.mts'

const tested = { untested: false }
const revoked = { reason: 'CVE-2026-1', at: '2026-11-20T00:00:00.000Z' }

const debian = (family: Partial<FamilyVersions>): Families => ({
  debian: { current: null, previous: null, candidate: null, retired: [], ...family },
})

/** The names, day for day, of what is in each channel. */
function shape(families: Families): Record<string, unknown> {
  const day = (one: TemplateVersion | null): number | null => one && Number(one.name.slice(13, 15))
  const { current, previous, candidate, retired } = families['debian']!
  return {
    current: day(current),
    previous: day(previous),
    candidate: day(candidate),
    retired: retired.map(day),
  }
}

describe('a version that was built', () => {
  test('is the candidate of a family that had none', () => {
    const families = addCandidate({}, 'debian', version(1))
    expect(shape(families)).toEqual({ current: null, previous: null, candidate: 1, retired: [] })
  })

  test('retires the candidate before it, and touches no other channel', () => {
    const before = debian({ current: version(1), candidate: version(2) })
    const after = addCandidate(before, 'debian', version(3))
    expect(shape(after)).toEqual({ current: 1, previous: null, candidate: 3, retired: [2] })
    expect(shape(before)).toEqual({ current: 1, previous: null, candidate: 2, retired: [] })
  })

  test('is refused under a name that is there, also a retired one', async () => {
    const before = debian({ retired: [version(1)] })
    expect(await failureOf(async () => addCandidate(before, 'debian', version(1)))).toMatchObject({
      message: `${version(1).name} exists already: two runs built it at the same time`,
    })
  })
})

test('a test that was run later: its version can be promoted, or not any more', async () => {
  const built = debian({ candidate: { ...version(1), test: null }, current: version(2) })
  const { name } = version(1)
  const good = recordTest(built, name, { passed: true, at: '2026-11-20T00:00:00.000Z', checks: [] })
  expect(shape(promote(good, 'debian', tested))).toEqual({
    current: 1,
    previous: 2,
    candidate: null,
    retired: [],
  })
  expect(good['debian']!.current).toEqual(version(2))
  const bad = recordTest(built, name, failed)
  expect(await failureOf(async () => promote(bad, 'debian', tested))).toMatchObject({
    message: `${name} failed its acceptance test`,
  })
})

describe('promote', () => {
  test('moves every channel on by one', () => {
    const before = debian({ current: version(2), previous: version(1), candidate: version(3) })
    const after = promote(before, 'debian', tested)
    expect(shape(after)).toEqual({ current: 3, previous: 2, candidate: null, retired: [1] })
  })

  test.each<[string, Partial<FamilyVersions>, boolean, object]>([
    [
      'without a candidate',
      { current: version(1) },
      false,
      { message: 'debian has no candidate to promote' },
    ],
    [
      'one that was never tested',
      { candidate: version(1, { test: null }) },
      false,
      { message: `${version(1).name} was never tested` },
    ],
    [
      'one that failed',
      { candidate: version(1, { test: failed }) },
      false,
      { message: `${version(1).name} failed its acceptance test`, facts: { failed: 'machine-ids' } },
    ],
    [
      'one that failed, even if untested ones may',
      { candidate: version(1, { test: failed }) },
      true,
      { facts: { failed: 'machine-ids' } },
    ],
    [
      'a revoked one',
      { candidate: version(1, { revoked }) },
      true,
      { message: `${version(1).name} is revoked`, facts: { reason: 'CVE-2026-1' } },
    ],
  ])('refuses %s', async (_, family, untested, failure) => {
    const before = debian(family)
    expect(await failureOf(async () => promote(before, 'debian', { untested }))).toMatchObject(failure)
  })

  test('takes one that was never tested where a person says so', () => {
    const before = debian({ candidate: version(1, { test: null }) })
    expect(shape(promote(before, 'debian', { untested: true }))).toMatchObject({
      current: 1,
      candidate: null,
    })
  })
})

describe('rollback', () => {
  test('swaps current and previous, and twice is as before', () => {
    const before = debian({ current: version(2), previous: version(1), candidate: version(3) })
    const after = rollback(before, 'debian')
    expect(shape(after)).toEqual({ current: 1, previous: 2, candidate: 3, retired: [] })
    expect(rollback(after, 'debian')).toEqual(before)
  })

  test.each<[string, Partial<FamilyVersions>, string]>([
    ['without a previous version', { current: version(1) }, 'debian has no previous version to go back to'],
    [
      'to a revoked one',
      { current: version(2), previous: version(1, { revoked }) },
      `${version(1).name} is revoked`,
    ],
  ])('is refused %s', async (_, family, message) => {
    expect(await failureOf(async () => rollback(debian(family), 'debian'))).toMatchObject({ message })
  })
})

describe('revoke', () => {
  test.each(['current', 'previous', 'candidate'] as const)(
    'marks the %s version, which stays there',
    channel => {
      const after = revoke(debian({ [channel]: version(1) }), version(1).name, revoked)
      expect(after['debian']![channel]).toEqual({ ...version(1), revoked })
    },
  )

  test('an unknown version: the nearest', async () => {
    const before = debian({ retired: [version(1)] })
    expect(await failureOf(async () => revoke(before, `${version(1).name}x`, revoked))).toMatchObject({
      message: `unknown version ${version(1).name}x; did you mean ${version(1).name}?`,
      exitCode: 2,
    })
  })
})

test('what is forgotten is gone, and only from among the retired', () => {
  const before = debian({ current: version(3), retired: [version(2), version(1)] })
  expect(shape(forget(before, 'debian', version(2).name))).toMatchObject({ current: 3, retired: [1] })
  expect(forget(before, 'debian', version(3).name)).toEqual(before)
})

test.each([
  ['promote', (families: Families) => promote(families, 'debain', tested)],
  ['rollback', (families: Families) => rollback(families, 'debain')],
])('%s of an unknown family: the nearest', async (_, change) => {
  expect(await failureOf(async () => change(debian({ current: version(1) })))).toMatchObject({
    message: 'there is no version of debain; did you mean debian?',
    hint: 'zx scripts/build.mts debian',
    exitCode: 2,
  })
})

test('a family unlike any with versions: where they are listed, not a build of what may not exist', async () => {
  expect(await failureOf(async () => rollback(debian({ current: version(1) }), 'ubunut'))).toMatchObject({
    message: 'there is no version of ubunut',
    hint: 'zx scripts/templates.mts list',
    exitCode: 2,
  })
})
