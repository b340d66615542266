import { expect, test } from 'vitest'
import { type Entry, wasMade } from '../../../scripts/lib/registry/entry.mts'
import { descriptionOf, notesWith } from '../../../scripts/lib/registry/identity.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { contradictions, planEntryChange } from '../../../scripts/lib/vm/plan/change.mts'
import { wishesOf } from '../../../scripts/lib/vm/plan/wishes.mts'
import { noteEdits } from '../../../scripts/lib/vm/shape/notes.mts'
import { tagEdits } from '../../../scripts/lib/vm/shape/tags.mts'
import { entry } from '../registry/entries.mts'

const spec = {
  ...{ name: 'vm', summary: '', usage: '', positionals: 0, uses: [], writes: [], example: '' },
  options: createFlags(),
}
const wishes = (words: string[]) => wishesOf(parseArguments(spec, words))
const now = new Date('2026-02-01T00:00:00.000Z')
const made = entry('web-1', {
  ...{ phase: 'active', node: 'pve', owner: null, token: null, purpose: 'shop' },
  history: [{ at: '2026-01-05T10:00:00.000Z', what: 'created' }],
  design: {
    ...{ template: { vmid: 9000, node: 'pve' }, storage: 'tank', access: null, agentTimeout: '10m' },
    ...{ cores: 2, memory: 2048, disk: 10, cpuType: 'x86-64-v2-AES', tags: ['proxmint-test', 'web'] },
    network: { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null },
    cloudInit: {
      ...{ template: 'devbox', delivery: 'snippet', storage: 'local' },
      ...{ username: 'admin', sshAuthorizedKeys: [] },
    },
  },
})
const plan = (words: string[], vm: Entry = made) => planEntryChange(vm, wishes(words), now)

test.each([
  [[]],
  [['--memory', '2048', '--purpose', 'shop']],
  [['--tags', 'web']],
  [['--expiry-days', '10']],
])('a VM that has all of it stays the same: %j', words => {
  const { entry: after, lines, refused } = plan(words)
  expect(after).toBe(made)
  expect([...lines, ...refused]).toEqual([])
})

test('attributes are in the design, and in the history; each option that was given is asked for', () => {
  const { entry: after, asked, refused } = plan(['--memory', '4096', '--numa', 'off', '--cpu', '2'])
  expect(after.design).toEqual({ ...made.design!, memory: 4096, numa: false })
  expect(after.history.at(-1)?.what).toBe('changed: numa from none to no, memory from 2048 to 4096')
  expect(asked.toSorted()).toEqual(['cores', 'memory', 'numa'])
  expect(refused).toEqual([])
})

test('user-data of a VM that was made is for the next rebuild', () => {
  const { entry: after, lines } = plan(['--username', 'ops', '--var', 'port=80'])
  expect(after.design).toMatchObject({
    cloudInit: made.design!.cloudInit,
    atRebuild: { cloudInit: { username: 'ops', vars: { port: '80' } } },
  })
  expect(lines.map(({ what, costs, why }) => [what, costs, /rebuild web-1/.test(why)])).toEqual([
    ['username', 'nothing', true],
    ['var', 'nothing', true],
  ])
  expect(plan(['--username', 'ops', '--var', 'port=80'], after).entry).toBe(after)
})

test('a VM that was only reserved gets it at once', () => {
  const reserved = { ...made, phase: 'reserved' as const, history: [] }
  expect(wasMade(reserved)).toBe(false)
  const { design } = plan(['--username', 'ops', '--purpose', 'db'], reserved).entry
  expect(design).toMatchObject({ cloudInit: { username: 'ops' } })
  expect(design).not.toHaveProperty('atRebuild')
  expect(design).not.toHaveProperty('userDataPurpose')
})

test.each([
  [['--disk', '5'], /never shrinks/],
  [['--pool', 'lan'], /destroy web-1, then create/],
  [['--template', 'ubuntu'], /vm\.mts rebuild web-1/],
  [['--node', 'pve2'], /qm migrate 150 NODE --online/],
  [['--no-login'], /its disk is lost/],
])('%j cannot be had, and the reason says what to do', (words, why) => {
  expect(plan(words).refused).toMatchObject([{ costs: 'impossible', why: expect.stringMatching(why) }])
  expect(plan(words).entry).toBe(made)
})

test('of a VM that proxmint did not make, the registry alone is changed', () => {
  const { entry: after, refused } = plan(['--memory', '4096', '--owner', 'Ada'], { ...made, design: null })
  expect(after).toMatchObject({ design: null, ownerName: 'Ada' })
  expect(refused).toMatchObject([{ what: 'memory', costs: 'impossible' }])
})

test('a longer time counts from the reservation, and may have no end', () => {
  const createdAt = Date.parse(made.createdAt)
  expect(Date.parse(plan(['--expiry-days', '90']).entry.expiresAt!) - createdAt).toBe(90 * 86_400_000)
  expect(plan(['--expiry-days', 'never']).entry.expiresAt).toBeNull()
})

test('the user-data keeps the purpose that it has', () => {
  const once = plan(['--purpose', 'db']).entry
  expect(once).toMatchObject({ purpose: 'db', design: { userDataPurpose: 'shop' } })
  expect(plan(['--purpose', 'mail'], once).entry.design).toMatchObject({ userDataPurpose: 'shop' })
})

test('tags that were given are all of its further tags; those of others stay', () => {
  const { entry: after } = plan(['--tags', 'db'])
  expect(after).toMatchObject({ design: { tags: ['proxmint-test', 'db'] }, retired: { tags: ['web'] } })
  const config = { tags: 'jane;proxmint-test;web' }
  const [edit] = tagEdits(after.design!.tags, config, after.retired!.tags)
  expect(edit).toMatchObject({
    change: { what: 'tags', from: 'jane proxmint-test web', to: 'db jane proxmint-test' },
    set: { tags: 'jane;proxmint-test;db' },
  })
  expect(tagEdits(after.design!.tags, { tags: edit!.set!['tags']! }, after.retired!.tags)).toEqual([])
})

test('the notes have our lines anew, and those of others as they are', () => {
  const present = `Ask Jane.\n\n${descriptionOf(made)}\n\nRack 4`
  const { entry: after } = plan([
    '--purpose',
    'db & $& more',
    '--owner',
    'Ada',
    '--notes',
    '# Runbook\ncall Bob',
  ])
  const [edit] = noteEdits(after, { description: `${present}\n` })
  expect(edit!.set!['description']).toBe(
    `Ask Jane.\n\ndb & $& more\nOwner: Ada\n# Runbook\ncall Bob\nMade by proxmint. Entry ${made.id}.\n\nRack 4`,
  )
  expect(noteEdits(after, { description: edit!.set!['description']! })).toEqual([])
  // Changed again before the first change reached Proxmox.
  const again = plan(['--purpose', 'mail'], after).entry
  expect(notesWith(again, present)).toBe(`Ask Jane.\n\n${descriptionOf(again)}\n\nRack 4`)
})

test.each([
  ['untouched notes', 'shop\nMARK', undefined],
  ['another purpose before', 'store\nMARK\nRack 4', 'shop\nMARK\nRack 4'],
  ['a mark in a sentence of a person', `Do not touch: Entry ${made.id}. Jane`, undefined],
  ['Windows line ends', 'shop\r\nMARK\r\n', undefined],
])('notes: %s', (_, present, expected) => {
  const text = (notes: string) => notes.replace('MARK', `Made by proxmint. Entry ${made.id}.`)
  const [edit] = noteEdits(made, { description: text(present) })
  expect(edit?.set?.['description']).toBe(expected && text(expected))
})

test('a balloon is not larger than the memory', () => {
  const design = { ...made.design!, balloon: 4096 }
  expect(contradictions(design)).toEqual([expect.stringContaining('4096 MiB, and it would have 2048')])
  expect(contradictions({ ...design, balloon: 2048 })).toEqual([])
})
