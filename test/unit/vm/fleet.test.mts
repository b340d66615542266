import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadFleet } from '../../../scripts/lib/config/fleet.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

async function load(text: string) {
  const path = join(await temporaryFolder(), 'fleet.yaml')
  await writeFile(path, text)
  return loadFleet(path)
}

test('the commented example can be read', async () => {
  const fleet = await loadFleet('config/fleet-example.yaml')
  expect([...fleet.keys()]).toEqual(['web-1', 'web-2'])
  expect(fleet.get('web-1')).toMatchObject({ cpu: 2, tags: ['web'], node: 'auto' })
})

test('an address is taken in any notation, a VM without a word too', async () => {
  const fleet = await load('vms:\n  a: { ip: "2001:DB8:0::1" }\n  b:\n')
  expect(Object.fromEntries(fleet)).toEqual({ a: { ip: '2001:db8::1' }, b: {} })
})

test.each([
  ['vms: {}\n', 'vms'],
  ['vms:\n  web_1: {}\n', 'web_1'],
  ['vms:\n  ../up: {}\n', '../up'],
  ['vms:\n  a: { cpus: 2 }\n', 'cpus'],
  ['vms:\n  a: { ip: nonsense }\n', 'vms.a.ip must be an address, not "nonsense"'],
  ['vms:\n  a: { vmid: 100 }\n  b: { vmid: 100 }\n', 'vms.b.vmid is also the one of vms.a'],
  ['vms:\n  a: { ip: "::1" }\n  b: { ip: "0::1" }\n', 'vms.b.ip is also the one of vms.a'],
])('%j is refused', async (text, named) => {
  const failure = await failureOf(() => load(text))
  expect(failure.message).toContain(named)
  expect(failure.exitCode).toBe(3)
})

test('a file that is not there', async () => {
  expect(await failureOf(() => loadFleet('nowhere.yaml'))).toMatchObject({
    message: 'there is no file nowhere.yaml',
    exitCode: 2,
  })
})
