import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { lockLost } from '../../../scripts/lib/run/lock.mts'
import type { Site } from '../../../scripts/lib/site/site.mts'
import { writeFolderToDestroy } from '../../../scripts/lib/vm/stack/folder.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

const site = { backend: async () => ({ type: 'local', settings: {} }) } as unknown as Site
const design = {
  template: null,
  network: { prefix: 24 },
  cloudInit: { delivery: 'snippet', ownFile: true },
} as VmDesign
const vm = entry('web-1', { node: 'pve', design })
let root: string

beforeEach(async () => {
  root = await temporaryFolder()
  vi.stubEnv('PROXMINT_CONFIG', join(root, 'config/proxmint.yaml'))
})

test('a run that lost its lock does not write over the folder of another run', async () => {
  const requireHeld = () => Promise.reject(lockLost('vm destroy web-1', AbortSignal.abort()))
  const failure = await failureOf(() => writeFolderToDestroy({ site, requireHeld }, vm))
  expect(failure.exitCode).toBe(5)
  expect(await readdir(root)).toEqual([])
  await writeFolderToDestroy({ site, requireHeld: async () => undefined }, vm)
  expect(await readdir(join(root, 'vms/web-1'))).toEqual(['main.tf.json'])
})
