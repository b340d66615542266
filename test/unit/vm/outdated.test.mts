import { expect, test } from 'vitest'
import { type Families, noVersions } from '../../../scripts/lib/templates/version.mts'
import {
  formatOutdated,
  outdatedIn,
  requireNotRevoked,
  revokedVersions,
} from '../../../scripts/lib/vm/look/outdated.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'

const [old, previous, current, candidate] = [version(1), version(5), version(9), version(12)]
const revoked = { reason: 'CVE-2026-1234', at: '2026-11-20T00:00:00.000Z' }
const debian = { current, previous, candidate, retired: [old] }

const on = (template: { name: string } | null, family = 'debian') =>
  entry('web-1', { template: template && { family, version: template.name } })
const reason = (families: Families, vm = on(previous)) =>
  formatOutdated(outdatedIn(families, [vm]))
    .split('\n')[1]
    ?.split(/ {2,}/)
    .at(-1)

test.each<[string, Families, ReturnType<typeof on>, string | undefined]>([
  ['the current version', { debian }, on(current), undefined],
  ['the previous version', { debian }, on(previous), `current is ${current.name}`],
  ['a retired version', { debian }, on(old), `current is ${current.name}`],
  ['one that no lockfile has any more', { debian }, on({ name: 'debian-x' }), `current is ${current.name}`],
  [
    'one that is revoked',
    { debian: { ...debian, previous: { ...previous, revoked } } },
    on(previous),
    `revoked: CVE-2026-1234; current is ${current.name}`,
  ],
  [
    'the current version, revoked',
    { debian: { ...debian, current: { ...current, revoked } } },
    on(current),
    'revoked: CVE-2026-1234; debian has no other yet',
  ],
  [
    'a good version, while the current one is revoked',
    { debian: { ...debian, current: { ...current, revoked } } },
    on(previous),
    undefined,
  ],
  ['a family that has no current version', { debian: { ...noVersions, candidate } }, on(old), undefined],
  ['a family that is gone', { debian }, on(old, 'arch'), undefined],
  ['a VM template of no lockfile', { debian }, on(null), undefined],
])('a VM on %s', (_, families, vm, expected) => {
  expect(reason(families, vm)).toBe(expected)
})

test('revoked versions are known by name, with their reason', () => {
  const families = { debian: { ...debian, retired: [{ ...old, revoked }] } }
  expect(revokedVersions(families)).toEqual(new Map([[old.name, 'CVE-2026-1234']]))
})

test('one that is only reserved is not made from a revoked version', async () => {
  const families = { debian: { ...debian, previous: { ...previous, revoked } } }
  expect(() => requireNotRevoked(on(current), families)).not.toThrow()
  expect(() => requireNotRevoked(on(null), families)).not.toThrow()
  expect(await failureOf(() => requireNotRevoked(on(previous), families))).toMatchObject({
    message: `web-1 was to be made from ${previous.name}, which is revoked`,
    facts: { reason: 'CVE-2026-1234' },
    hint: 'zx scripts/vm.mts rebuild web-1 makes it from the current version',
    exitCode: 3,
  })
})

test('none is said in words', () => {
  expect(formatOutdated(outdatedIn({ debian }, [on(current)]))).toBe(
    'every VM is on the current version of its template',
  )
})
