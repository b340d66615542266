import { expect, test } from 'vitest'
import { formatReconcile } from '../../../scripts/lib/reconcile/format.mts'
import type { ReportedDivergence } from '../../../scripts/lib/reconcile/reconcile.mts'
import { wrap } from '../../../scripts/lib/run/wrap.mts'

const finding = (changes: Partial<ReportedDivergence> = {}): ReportedDivergence => ({
  name: 'web-1',
  what: 'VM 150 is not in Proxmox, or cannot be seen',
  hint: 'zx scripts/vm.mts show web-1',
  fix: undefined,
  fixed: false,
  ...changes,
})

test.each<[string, { held: number; asked: number }, string]>([
  ['tokens that were asked for', { held: 3, asked: 3 }, 'registry, folders, Proxmox and chain agree'],
  [
    'no tokens',
    { held: 0, asked: 0 },
    'registry, folders and Proxmox agree; the chain was not asked: no VM has a token',
  ],
])('where all agree it is said what does: %s', (_, tokens, expected) => {
  expect(formatReconcile({ added: [], findings: [], tokens })).toBe(expected)
  const added = ['web-1: somebody added net1 (virtio); it stays']
  expect(formatReconcile({ added, findings: [], tokens })).toBe(`${added[0]}\n${expected}`)
})

test('each finding has its fix beneath, and the end says what was compared', () => {
  const findings = [
    finding(),
    finding({ name: 'old', what: 'the folder vms/old belongs to no VM of the registry', fixed: true }),
  ]
  expect(formatReconcile({ added: [], findings, tokens: { held: 2, asked: 0 } })).toBe(
    [
      'web-1: VM 150 is not in Proxmox, or cannot be seen',
      '  fix: zx scripts/vm.mts show web-1',
      'old: the folder vms/old belongs to no VM of the registry',
      '  fixed',
      '2 findings, 1 fixed: compared registry, folders and Proxmox; the chain could not be asked',
    ].join('\n'),
  )
  expect(formatReconcile({ added: [], findings, tokens: { held: 0, asked: 0 } })).toContain(
    '\n2 findings, 1 fixed: compared registry, folders and Proxmox; the chain was not asked: no VM has a\ntoken',
  )
})

test('a fix that failed says why', () => {
  const findings = [finding({ error: 'storage is busy' })]
  expect(
    formatReconcile({ added: [], findings, tokens: { held: 0, asked: 0 } })
      .split('\n')
      .slice(0, 3),
  ).toEqual([
    'web-1: VM 150 is not in Proxmox, or cannot be seen',
    '  not fixed: storage is busy',
    '  fix: zx scripts/vm.mts show web-1',
  ])
})

test('the longest findings fit a terminal of 100 columns, with every word', () => {
  const name = 'a-name-of-sixty-three-characters-as-long-as-the-registry-allows'
  const [owner, other] = [
    '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
    '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  ]
  const findings = [
    finding({ name, what: `token 0 is held by ${owner}, not by ${other}: it was transferred` }),
    finding({
      what: 'it was reserved more than a day ago, was never created and holds 192.168.122.230',
      hint: 'zx scripts/apply.mts web-1, or give it up: zx scripts/vm.mts destroy web-1, which nobody undoes, ever',
    }),
  ]
  const text = formatReconcile({ added: [], findings, tokens: { held: 1, asked: 1 } })
  expect(text.split('\n').filter(line => line.length > 100)).toEqual([])
  const words = (one: string) => one.split(/\s+/).filter(Boolean)
  for (const { what, hint } of findings) {
    expect(words(text).join(' ')).toContain(words(what).join(' '))
    expect(words(text).join(' ')).toContain(words(hint).join(' '))
  }
})

test('a command is never broken, so that it can be copied', () => {
  expect(wrap('to go on: zx scripts/apply.mts web-1; or wait', 28, '  ')).toBe(
    ['to go on:', '  zx scripts/apply.mts web-1;', '  or wait'].join('\n'),
  )
  expect(wrap('  one two\nthree', 7, '    ')).toBe('  one\n    two\nthree')
})
