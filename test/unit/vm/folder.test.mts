import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { stateFindings } from '../../../scripts/lib/reconcile/states.mts'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { lockLost } from '../../../scripts/lib/run/lock.mts'
import type { Site } from '../../../scripts/lib/site/site.mts'
import { writeFolderToDestroy } from '../../../scripts/lib/vm/stack/folder.mts'
import { removeVmFolder } from '../../../scripts/lib/vm/stack/remove-folder.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

const site = { backend: async () => ({ type: 'local', settings: {} }) } as unknown as Site
const design = {
  template: null,
  network: { prefix: 24, dns: [] },
  cloudInit: { delivery: 'snippet', ownFile: true },
} as unknown as VmDesign
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

test('name servers of the cards of an adopted VM are not given to it', async () => {
  const held = { site, requireHeld: async () => undefined }
  const addresses = [{ card: 0, pool: 'p', address: '2001:db8::5', prefix: 64, gateway: null, dns: ['::1'] }]
  const dnsOf = async (changes: Partial<VmDesign>) => {
    await writeFolderToDestroy(held, { ...vm, addresses, design: { ...design, ...changes } })
    return JSON.parse(await readFile(join(root, 'vms/web-1/main.tf.json'), 'utf8')).module.vm.dns
  }
  expect(await dnsOf({})).toEqual([])
  expect(await dnsOf({ cards: [{ bridge: 'vmbr0', vlan: null }] })).toEqual(['::1'])
})

describe('a symbolic link in vms/', () => {
  const held = { site, requireHeld: async () => undefined }

  /** A folder of a person's, as another VM's or that of another checkout. */
  async function theirs(): Promise<string> {
    const folder = join(root, 'theirs')
    await mkdir(folder)
    await mkdir(join(root, 'vms'))
    await writeFile(join(folder, 'main.tf.json'), 'theirs')
    return folder
  }

  test('in the place of the folder is written through by nothing, and reported', async () => {
    const folder = await theirs()
    await symlink(folder, join(root, 'vms/web-1'))
    expect((await failureOf(() => writeFolderToDestroy(held, vm))).message).toBe(
      `${root}/vms/web-1 is a link: proxmint writes nothing there`,
    )
    expect(await readdir(folder)).toEqual(['main.tf.json'])
    expect(await readFile(join(folder, 'main.tf.json'), 'utf8')).toBe('theirs')
    expect(await stateFindings(site, [{ ...vm, phase: 'active' }])).toMatchObject([
      { name: 'web-1', what: 'vms/web-1 is a symbolic link', fix: undefined },
    ])
  })

  test('in the place of the folder is removed with the VM, and what it points to stays', async () => {
    const folder = await theirs()
    await symlink(folder, join(root, 'vms/web-1'))
    await removeVmFolder('web-1', vm.id, held)
    expect(await readdir(join(root, 'vms'))).toEqual([])
    expect(await readFile(join(folder, 'main.tf.json'), 'utf8')).toBe('theirs')
  })

  test('in the place of the configuration is replaced by a file', async () => {
    const folder = await theirs()
    await mkdir(join(root, 'vms/web-1'))
    await symlink(join(folder, 'main.tf.json'), join(root, 'vms/web-1/main.tf.json'))
    await writeFolderToDestroy(held, vm)
    expect(await readFile(join(folder, 'main.tf.json'), 'utf8')).toBe('theirs')
    expect((await lstat(join(root, 'vms/web-1/main.tf.json'))).isFile()).toBe(true)
  })
})
