/** The last lines of `vm create --apply` and of `vm rebuild`. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { withLogins } from '../../../scripts/lib/vm/life/logins.mts'
import { howToLogIn } from '../../../scripts/lib/vm/look/how-to-log-in.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

let home: string
beforeEach(async () => {
  home = await temporaryFolder()
  vi.stubEnv('HOME', home)
})
afterEach(() => vi.unstubAllEnvs())

const vm = (address: string, access: object | null = null) =>
  entry('web-1', { address, design: { access, cloudInit: { username: 'admin' } } as unknown as VmDesign })
const withKey = 'users: [{name: ops, ssh_authorized_keys: [ssh-ed25519 AAAA]}]'

test('name the account of the cloud-init template', async () => {
  expect(await howToLogIn(vm('10.0.0.5'), withKey, true)).toEqual(['to log in: ssh ops@10.0.0.5'])
  expect(await howToLogIn(vm('10.0.0.5'), 'ssh_authorized_keys: [a]', true)).toEqual([
    'to log in: ssh admin@10.0.0.5',
  ])
})

test('name the page on which the owner of a wallet signs', async () => {
  expect(
    await howToLogIn(vm('2001:db8::5', { signingPagePort: 8080 }), 'users: [{name: ops}]', true),
  ).toEqual(['to log in: ssh ops@2001:db8::5', 'its owner signs the code at http://[2001:db8::5]:8080/'])
})

test('say that nobody can, where that was meant', async () => {
  expect(await howToLogIn(vm('10.0.0.5'), 'users: [{name: ops}]', true)).toEqual(['nobody can log in to it'])
})

test('say that the host key is new where known_hosts has another', async () => {
  await mkdir(join(home, '.ssh'))
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake'
  await writeFile(join(home, '.ssh/known_hosts'), `10.0.0.5 ${key}\n`)
  const known = 'its host key is new: ssh-keygen -R 10.0.0.5'
  expect(await howToLogIn(vm('10.0.0.5'), withKey, true)).toContain(known)
  expect(await howToLogIn(vm('10.0.0.6'), withKey, true)).not.toContain(known)
  expect(await howToLogIn(vm('10.0.0.5'), withKey, false)).not.toContain(known)
})

test('stand below the table of several VMs, for those that were made', async () => {
  const site = { ...openSite(), userDataTemplate: async () => withKey }
  const answer = { document: [], text: 'table' }
  const result = (name: string, did: 'made' | 'nothing') => ({
    name,
    result: { entry: { ...vm('10.0.0.5'), name }, did },
  })
  const outcomes = [
    result('web-1', 'made'),
    result('web-2', 'nothing'),
    { name: 'web-3', error: new Error('x') },
  ]
  expect((await withLogins(answer, outcomes, site)).text).toBe('table\n\nweb-1: to log in: ssh ops@10.0.0.5')
  expect(await withLogins(answer, outcomes.slice(1), site)).toBe(answer)
})
