import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { backendOf, loadBackend } from '../../../scripts/lib/config/terraform.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

async function load(backend: object) {
  const file = join(await temporaryFolder(), 'terraform.yaml')
  await writeFile(file, JSON.stringify({ backend }))
  return loadBackend({ PROXMINT_TERRAFORM: file })
}

test.each([
  [{ local: {} }],
  [{ local: { path: 'state/terraform.tfstate' } }],
  [{ local: { path: '/srv/states/{name}.tfstate' } }],
  [{ local: { path: '../../states/{name}.tfstate' } }],
  [{ pg: { schema_name: 'vm_{name}' } }],
  [{ s3: { bucket: 'states', key: 'vms/{name}' } }],
  [{ http: { address: 'https://x/{name}', lock_address: 'https://x/{name}/lock' } }],
])('%j gives each VM a state of its own', async backend => {
  expect(backendOf(await load(backend), 'web-1').settings).toEqual(
    JSON.parse(JSON.stringify(Object.values(backend)[0]).replaceAll('{name}', 'web-1')),
  )
})

test.each([
  [{ local: { path: '/srv/x.tfstate' } }, 'path'],
  [{ local: { path: '../x.tfstate' } }, 'path'],
  [{ local: { path: './a/../../x.tfstate' } }, 'path'],
  [{ pg: { conn_str: 'postgresql://db/{name}' } }, 'schema_name'],
  [{ s3: { bucket: 'states', key: 'vms', profile: '{name}' } }, 'key'],
  [{ http: { address: 'https://x/state', lock_address: 'https://x/{name}' } }, 'address'],
])('%j gives every VM the same', async (backend, key) => {
  const failure = await failureOf(() => load(backend))
  expect(failure.exitCode).toBe(3)
  expect(`${failure.message} ${JSON.stringify(failure.facts)}`).toContain(`put {name} into \`${key}\``)
})
