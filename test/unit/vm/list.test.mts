/** VMs as a person sees them. */
import { expect, test } from 'vitest'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { formatVm, formatVms } from '../../../scripts/lib/vm/look/list.mts'
import { entry } from '../registry/entries.mts'

const now = new Date('2026-02-03T10:00:00.000Z')
const design = {
  template: { vmid: 9000, node: 'pve' },
  ...{ cores: 1, memory: 512, disk: 4 },
  cloudInit: { template: 'devbox' },
} as VmDesign

const shown = (changes: Partial<Entry>): [string, string] => {
  const one = entry('web-1', { node: 'pve', owner: null, token: null, ...changes })
  return [formatVms([one], now).split('\n')[1]!, formatVm(one, now)]
}

test('the template is a version, or a VMID where it is in no lockfile', () => {
  for (const text of shown({ design })) expect(text).toContain('debian-20260105-0a1b2c3d')
  for (const text of shown({ design, template: null })) expect(text).toContain('VM template 9000')
  for (const text of shown({ design: null, template: null })) expect(text).not.toContain('VM template')
})

test('one day is one day, one core one core', () => {
  for (const text of shown({ design })) expect(text).toContain('2026-02-04, in 1 day')
  const [, text] = shown({ design, expiresAt: '2026-02-02T10:00:00.000Z' })
  expect(text).toContain('2026-02-02, 1 day ago')
  expect(text).toContain('1 core, 512 MiB, 4 GiB')
  expect(text).not.toMatch(/1 (days|cores)/)
})

test('those that expire within 7 days are named, with the command that keeps them', () => {
  const on = (name: string, expiresAt: string | null, changes = {}): Entry =>
    entry(name, { node: 'pve', token: null, expiresAt, ...changes })
  const text = formatVms(
    [
      on('later', '2026-02-11T10:00:00.000Z'),
      on('second', '2026-02-10T10:00:00.000Z'),
      on('first', '2026-02-04T10:00:00.000Z'),
      on('past', '2026-02-01T10:00:00.000Z'),
      on('kept', null),
    ],
    now,
  )
  expect(text).toContain('within 7 days expire: first, second; to keep a VM: zx scripts/vm.mts extend NAME')
  expect(text).toMatch(/^kept .* never /m)
  expect(formatVms([on('kept', null)], now)).not.toContain('within 7 days')
})
