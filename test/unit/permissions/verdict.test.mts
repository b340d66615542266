import { describe, expect, test } from 'vitest'
import { requireGranted, withCommonRemedy } from '../../../scripts/lib/permissions/check.mts'
import { comparePermissions } from '../../../scripts/lib/permissions/compare.mts'
import { formatVerdicts } from '../../../scripts/lib/permissions/format.mts'
import type { Granted } from '../../../scripts/lib/permissions/granted.mts'
import { type Holders, unknownHolders } from '../../../scripts/lib/permissions/holders.mts'
import type { Need } from '../../../scripts/lib/permissions/needs.mts'
import type { PermissionVerdict } from '../../../scripts/lib/permissions/verdict.mts'
import { failureOf } from '../failure.mts'

const token = 'terraform@pve!terraform-token'

const need = (purpose: string, path: string, privilege: string): Need => ({
  purpose,
  alternatives: [[{ path, privilege }]],
})

const needs = [
  need('find the base VM', '/vms/9900', 'VM.Audit'),
  need('clone the base VM', '/vms/9900', 'VM.Clone'),
  need('ask the guest agent for the address', '/vms', 'VM.GuestAgent.Audit'),
  { ...need('look for HA resources', '/', 'Sys.Audit'), without: 'it takes 6 s longer' },
]

const line = "pveum role modify TerraformProv -append 1 -privs 'VM.GuestAgent.Audit'"

function verdict(granted: Record<string, string[]>, holders?: Partial<Holders>): PermissionVerdict {
  const tree: Granted = new Map(Object.entries(granted).map(([path, list]) => [path, new Set(list)]))
  return {
    report: comparePermissions(token, 9, needs, tree),
    holders: holders && { ...unknownHolders(token), ...holders },
    pveum: holders === undefined ? [] : [line],
  }
}

const base = { '/vms/9900': ['VM.Audit', 'VM.Clone'] }

describe('the verdict for a person', () => {
  test('nothing is missing', () => {
    const complete = verdict({ ...base, '/vms': ['VM.GuestAgent.Audit'], '/': ['Sys.Audit'] })
    expect(
      formatVerdicts([{ work: 'build debian', verdict: complete }]),
    ).toBe(`terraform@pve!terraform-token (Proxmox VE 9), for build debian:

/
  granted   Sys.Audit
/vms
  granted   VM.GuestAgent.Audit
/vms/9900
  granted   VM.Audit
  granted   VM.Clone

nothing is missing`)
  })

  test('one is missing, another could do no harm', () => {
    expect(
      formatVerdicts([{ work: 'build debian', verdict: verdict(base, {}) }]),
    ).toBe(`terraform@pve!terraform-token (Proxmox VE 9), for build debian:

/
  optional  Sys.Audit
/vms
  MISSING   VM.GuestAgent.Audit
/vms/9900
  granted   VM.Audit
  granted   VM.Clone

optional: look for HA resources: without it, it takes 6 s longer

1 privilege is missing; it takes Sys.Audit on /access to see whether the user or only its token lacks them

as root on a node:
  pveum role modify TerraformProv -append 1 -privs 'VM.GuestAgent.Audit'`)
  })

  test.each<[string, Partial<Holders>, string]>([
    ['the user too', { userLacks: true }, '2 privileges are missing: the user terraform@pve lacks it too'],
    [
      'its token alone',
      { userLacks: false },
      '2 privileges are missing: the user terraform@pve has it, its token does not',
    ],
    [
      'a token without any privilege',
      { hasNothing: true },
      '2 privileges are missing: the token has no privilege anywhere',
    ],
    ['a user without a token', { token: undefined, userLacks: true }, '2 privileges are missing'],
  ])('who lacks them: %s', (_, holders, expected) => {
    const two = verdict({ '/vms/9900': ['VM.Audit'] }, holders)
    expect(
      formatVerdicts([{ work: 'build debian', verdict: two }])
        .split('\n')
        .at(-4),
    ).toBe(expected)
  })
})

test('the commands stand once, after all works', () => {
  const works = ['build debian', 'build arch'].map(work => ({ work, verdict: verdict(base, {}) }))
  const text = formatVerdicts(works)
  expect(text.split('as root on a node:')).toHaveLength(2)
  expect(text.endsWith(`as root on a node:\n  ${line}`)).toBe(true)
})

describe('before the work begins', () => {
  test('what is missing stops it', async () => {
    expect(await failureOf(() => requireGranted(verdict({}, {}), 'build debian'))).toEqual({
      message: [
        'terraform@pve!terraform-token lacks privileges for `build debian`:',
        '  /vms: VM.GuestAgent.Audit (ask the guest agent for the address)',
        '  /vms/9900: VM.Audit (find the base VM)',
        '  /vms/9900: VM.Clone (clone the base VM)',
      ].join('\n'),
      hint: `as root on a node:\n  ${line}`,
      exitCode: 4,
      facts: {},
    })
  })

  test('what could do no harm does not', () => {
    expect(() => requireGranted(verdict({ ...base, '/vms': ['VM.GuestAgent.Audit'] }), 'build')).not.toThrow()
  })
})

test('a script for the user that Packer logs in as and for the token of the other works is printed once', () => {
  const lacking = (identity: string, [missing]: Need[]) => {
    const report = comparePermissions(identity, 9, [missing!], new Map())
    return { work: identity, verdict: { report, holders: unknownHolders(identity), pveum: ['(', ')'] } }
  }
  const works = withCommonRemedy([
    lacking('terraform@pve', [needs[1]!]),
    lacking(token, [needs[2]!]),
    lacking('other@pve', [needs[2]!]),
  ])
  const [users, tokens, others] = works.map(({ verdict }) => verdict.pveum.join('\n'))
  expect(users).toBe(tokens)
  expect(users).toContain("grant 'terraform@pve' /vms 'VM.Clone VM.GuestAgent.Audit'")
  expect(users).toContain("grant 'terraform@pve!terraform-token' /vms 'VM.Clone VM.GuestAgent.Audit'")
  expect(others).not.toContain('terraform@pve')
  expect(formatVerdicts(works).match(/as root on a node/g)).toHaveLength(2)
})
