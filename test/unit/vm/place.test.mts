import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { checkPlace } from '../../../scripts/lib/vm/life/apply.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

async function withPool(addresses: string): Promise<void> {
  const file = join(await temporaryFolder(), 'db.yaml')
  await writeFile(file, `pools:\n  default: { addresses: ${addresses}, prefix: 24 }\n`)
  vi.stubEnv('PROXMINT_POOLS', file)
}

/** What is printed on standard error meanwhile. */
async function told(work: () => Promise<void>): Promise<string> {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await work()
  return write.mock.calls.map(([text]) => String(text)).join('')
}

const ran = entry('web-1', { history: [{ at: '', what: 'active' }] })
const moved = 'the address 192.168.122.230 is not in the pool default'

test('a VM in its pool: nothing is said', async () => {
  await withPool('192.168.122.200-192.168.122.250')
  expect(await told(() => checkPlace(ran, openSite()))).toBe('')
  expect(await told(() => checkPlace(entry('web-1', { phase: 'reserved' }), openSite()))).toBe('')
})

test('a VM that ran keeps its address when the pool moves, and this is said', async () => {
  await withPool('10.0.0.10-10.0.0.99')
  expect(await told(() => checkPlace(ran, openSite()))).toContain(
    `warning: web-1 stays as it is, although ${moved}`,
  )
})

test('one that never ran is not made: somebody else may have the address by now', async () => {
  await withPool('10.0.0.10-10.0.0.99')
  expect(await failureOf(() => checkPlace(entry('web-1', { phase: 'reserved' }), openSite()))).toMatchObject({
    message: `web-1 never ran, and ${moved}`,
    hint: expect.stringContaining('zx scripts/vm.mts destroy web-1'),
    exitCode: 3,
  })
})
