import { expect, test } from 'vitest'
import { requireSeparateRanges } from '../../../scripts/lib/config/vmid-ranges.mts'
import { failureOf } from '../failure.mts'

const config = { templateVmidRange: [9000, 9899], baseVmidRange: [9900, 9999] } as const
const check = (...vmidRange: [number, number]) =>
  requireSeparateRanges({ vmidRange }, structuredClone(config) as never)

test.each<[number, number]>([
  [100, 999],
  [100, 8999],
  [10_000, 10_100],
])('%i to %i is apart from those of VM templates', (first, last) => check(first, last))

test.each<[number, number, string]>([
  [100, 9000, 'template_vmid_range [9000, 9899]'],
  [9899, 9899, 'template_vmid_range [9000, 9899]'],
  [9950, 12_000, 'base_vmid_range [9900, 9999]'],
])('%i to %i is not', async (first, last, other) => {
  const failure = await failureOf(async () => check(first, last))
  expect(failure.message).toContain(`vmid_range [${first}, ${last}] overlaps ${other}`)
  expect(failure.exitCode).toBe(3)
})
