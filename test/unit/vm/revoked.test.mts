/** A version that is revoked while a run goes on: the run must not make a VM of it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { formatLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { applyVm } from '../../../scripts/lib/vm/life/apply.mts'
import { rebuildVm } from '../../../scripts/lib/vm/life/rebuild.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'
import { fakeProxmox } from './fake-proxmox.mts'

const [old, current] = [version(1), version(9)]
const revoked = { reason: 'CVE-2026-1234', at: '2026-11-20T00:00:00.000Z' }
const design = { access: null, cloudInit: { sshAuthorizedKeys: ['ssh-ed25519 A'] } } as unknown as VmDesign

let folder: string
let store: RegistryStore
let context: VmContext

beforeEach(async () => {
  folder = await temporaryFolder()
  await mkdir(join(folder, 'config'))
  vi.stubEnv('PROXMINT_CONFIG', join(folder, 'config/proxmint.yaml'))
  store = openFileStore({ folder: join(folder, 'registry'), purpose: 'test' })
  const { connection } = fakeProxmox({})
  const issuer = () => Promise.reject(new Error('the chain is not asked'))
  context = { store, connection, checks: connection, issuer, signal: new AbortController().signal }
  await writeLockfile(false)
  // The run read it before, as `vm create` does for its reservations.
  await connection.site.families()
  await writeLockfile(true)
})
afterEach(async () => {
  await store.close()
  vi.unstubAllEnvs()
})

async function writeLockfile(isRevoked: boolean): Promise<void> {
  const now = isRevoked ? { ...current, revoked } : current
  const families = { debian: { current: now, previous: old, candidate: null, retired: [] } }
  await writeFile(join(folder, 'config/templates.lock.json'), formatLockfile(families))
}

async function add(changes: Partial<Entry>): Promise<void> {
  await store.add([entry('web-1', { node: 'pve', design, ...changes })], [])
}

test('apply makes no VM of it', async () => {
  await add({ phase: 'reserved', template: { family: 'debian', version: current.name } })
  const failure = await failureOf(() =>
    applyVm('web-1', { planOnly: false, allowed: new Set<never>() }, context),
  )
  expect(failure).toMatchObject({
    message: `web-1 was to be made from ${current.name}, which is revoked`,
    facts: { reason: revoked.reason },
    exitCode: 3,
  })
})

test('rebuild moves no VM to it', async () => {
  await add({ phase: 'active', template: { family: 'debian', version: old.name } })
  const failure = await failureOf(() => rebuildVm('web-1', { noLogin: false, undoOnFailure: false }, context))
  expect(failure).toMatchObject({
    message: `${current.name}, the current version of debian, is revoked`,
    exitCode: 3,
  })
})
