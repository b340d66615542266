import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { readLocalState } from '../../../scripts/lib/vm/look/local-state.mts'
import { temporaryFolder } from '../temporary.mts'

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
  await withBackend('{ local: {} }')
})
afterEach(() => vi.unstubAllEnvs())

async function withBackend(backend: string): Promise<void> {
  await writeFile(join(folder, 'terraform.yaml'), `backend: ${backend}\n`)
  vi.stubEnv('PROXMINT_TERRAFORM', join(folder, 'terraform.yaml'))
}

test.each([
  ['{ "version": 4, "resources": [{}, {}] }', { kind: 'here', resources: 2 }],
  ['{ "version": 4, "resources": [] }', { kind: 'here', resources: 0 }],
  [undefined, { kind: 'none' }],
])('a state of %s', async (state, expected) => {
  if (state !== undefined) await writeFile(join(folder, 'terraform.tfstate'), state)
  expect(await readLocalState(openSite(), folder)).toEqual(expected)
})

test('one that is broken is no empty one', async () => {
  await writeFile(join(folder, 'terraform.tfstate'), '{ "resources": [')
  await expect(readLocalState(openSite(), folder)).rejects.toThrow(SyntaxError)
})

test.each([
  ['{ http: { address: "http://h/{name}" } }', 'http'],
  ['{ local: { path: "/srv/{name}" } }', 'local'],
])('with the backend %s it is not looked for in the folder', async (backend, name) => {
  await withBackend(backend)
  expect(await readLocalState(openSite(), folder)).toEqual({ kind: 'elsewhere', backend: name })
})
