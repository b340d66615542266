import { describe, expect, test } from 'vitest'
import { reasonToBuild } from '../../../scripts/lib/templates/freshness.mts'
import { packageChanges } from '../../../scripts/lib/templates/packages.mts'
import { mirroredTags } from '../../../scripts/lib/templates/tags.mts'
import { terraformVariables } from '../../../scripts/lib/templates/terraform-variables.mts'
import type { TemplateVersion } from '../../../scripts/lib/templates/version.mts'
import { versionName } from '../../../scripts/lib/templates/version.mts'
import { version } from './sample.mts'

const revoked = { reason: 'CVE-2026-1', at: '2026-11-20T00:00:00.000Z' }

describe('the name', () => {
  const late = new Date('2026-11-22T23:30:00-02:00')
  test.each<[string, string[], string]>([
    ['family, day in UTC, digest', [], 'debian-20261123-0123abcd'],
    ['taken by another version', ['debian-20261123-0123abcd'], 'debian-20261123-0123abcd-2'],
    ['taken twice', ['debian-20261123-0123abcd', 'debian-20261123-0123abcd-2'], 'debian-20261123-0123abcd-3'],
  ])('%s', (_, taken, name) => {
    expect(versionName('debian', late, '0123abcd9999', new Set(taken))).toBe(name)
  })
})

describe('only what changed is built', () => {
  const current = version(1)
  const wanted = {
    digest: current.digest,
    places: [{ node: 'pve' }],
    maxAgeMs: undefined,
    now: new Date('2026-12-05T10:00:00.000Z'),
  }
  const why = (one: TemplateVersion | null, further: Partial<Parameters<typeof reasonToBuild>[1]> = {}) =>
    reasonToBuild(one, { ...wanted, ...further }, () => ['file a.sh changed', 'packer changed'])

  test.each<[string, string | undefined, string | undefined]>([
    ['the same inputs', why(current), undefined],
    ['no version', why(null), 'there is no current version'],
    ['other inputs', why(current, { digest: 'x' }), 'file a.sh changed, packer changed'],
    ['a revoked version', why({ ...current, revoked }), `${current.name} is revoked: CVE-2026-1`],
    [
      'a node that has no copy',
      why(current, { places: [{ node: 'pve' }, { node: 'pve2' }] }),
      `${current.name} has no copy on pve2`,
    ],
    [
      'older than it may be',
      why(current, { maxAgeMs: 30 * 86_400_000 }),
      `${current.name} was built on 2026-11-01, longer ago than allowed`,
    ],
    ['just young enough', why(current, { maxAgeMs: 34 * 86_400_000 }), undefined],
  ])('%s', (_, reason, expected) => {
    expect(reason).toBe(expected)
  })
})

describe('tags', () => {
  const meaning = { site: 'home', os: 'debian', digest: '0123abcd9999', mark: 'current' }
  test.each<[string, string[], string[] | undefined]>([
    ['of a new one', [''], ['proxmint-home', 'debian', '0123abcd', 'current']],
    ['that are right, in any order', ['current', '0123abcd', 'debian', 'proxmint-home'], undefined],
    [
      'of another channel',
      ['proxmint-home', 'debian', '0123abcd', 'candidate'],
      ['proxmint-home', 'debian', '0123abcd', 'current'],
    ],
    [
      "somebody's own stay",
      ['proxmint-home', 'debian', 'mine', 'retired'],
      ['proxmint-home', 'debian', '0123abcd', 'current', 'mine'],
    ],
    [
      "somebody's own are no reason to write",
      ['proxmint-home', 'debian', '0123abcd', 'current', 'mine'],
      undefined,
    ],
  ])('%s', (_, present, expected) => {
    expect(mirroredTags(present, meaning)).toEqual(expected)
  })
})

test("Terraform's variables: the current version's copies by node; none of what must not be used", () => {
  const copies = [
    { vmid: 9001, node: 'pve1', storage: 'tank', buildId: 'a' },
    { vmid: 9002, node: 'pve2', storage: 'ssd', buildId: 'b' },
  ]
  const none = { current: null, previous: null, candidate: null, retired: [] }
  const families = {
    ubuntu: { ...none, current: version(2, { name: 'ubuntu-2', copies }) },
    arch: { ...none, candidate: version(3) },
    debian: { ...none, current: version(1, { revoked }), previous: version(4) },
  }
  expect(terraformVariables(families)).toEqual({
    templates: {
      ubuntu: {
        version: 'ubuntu-2',
        nodes: { pve1: { vmid: 9001, storage: 'tank' }, pve2: { vmid: 9002, storage: 'ssd' } },
      },
    },
  })
})

test('the difference of two lists of packages', () => {
  const before = ['bash 5.2', 'curl 8.1', 'openssl 3.0.1']
  const after = ['bash 5.2', 'openssl 3.0.2', 'zsh 5.9']
  expect(packageChanges(before, after)).toEqual({
    added: ['zsh 5.9'],
    removed: ['curl 8.1'],
    changed: ['openssl 3.0.1 -> 3.0.2'],
  })
})
