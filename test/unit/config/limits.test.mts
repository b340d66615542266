/** Files that are too large, and names that every object of JavaScript has. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadFleet } from '../../../scripts/lib/config/fleet.mts'
import { loadPools } from '../../../scripts/lib/config/pools.mts'
import { ownValue } from '../../../scripts/lib/run/own-value.mts'
import { addCandidate, familyIn } from '../../../scripts/lib/templates/channels.mts'
import { poolNamed } from '../../../scripts/lib/vm/plan/draft.mts'
import { failureOf } from '../failure.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'

async function fleet(text: string): Promise<string> {
  const path = join(await temporaryFolder(), 'fleet.yaml')
  await writeFile(path, text)
  return path
}

test('a file of 10 MB is refused at once, with the limit', async () => {
  const path = await fleet(`vms:\n${'  vm-1: {}\n'.repeat(1_000_000)}`)
  const start = performance.now()
  const failure = await failureOf(() => loadFleet(path))
  expect(performance.now() - start).toBeLessThan(1000)
  expect(failure).toMatchObject({ exitCode: 3, hint: expect.stringContaining('split it') })
  expect(failure.message).toContain('the limit is 1048576')
})

test('of many faults the first are listed', async () => {
  const names = Array.from({ length: 80 }, (_, number) => `  vm-${number}: { wrong: 1 }`)
  const lines = (
    await failureOf(async () => loadFleet(await fleet(`vms:\n${names.join('\n')}`)))
  ).message.split('\n')
  expect(lines).toHaveLength(52)
  expect(lines.at(-1)).toBe('  - and 30 more')
})

test('aliases that would blow a file up', async () => {
  const levels = Array.from(
    { length: 9 },
    (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(',')}]`,
  )
  const path = await fleet(`l0: &l0 [x]\n${levels.join('\n')}\n`)
  expect((await failureOf(() => loadFleet(path))).exitCode).toBe(3)
})

describe.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('the name %s', name => {
  test('is a pool only where the file has it', async () => {
    const pools = await loadPools({ PROXMINT_POOLS: undefined })
    expect(await failureOf(() => poolNamed(pools, name))).toMatchObject({
      message: expect.stringContaining(`unknown pool ${name}`),
      exitCode: 2,
    })
  })

  test('is a family only where the lockfile has it', async () => {
    expect((await failureOf(() => familyIn({}, name))).message).toContain(`no version of ${name}`)
    const families = addCandidate({}, name, version(1))
    expect(ownValue(families, name)?.candidate?.name).toBe(version(1).name)
  })
})
