/** What can be told of a VM without Proxmox and without credentials. */
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { commandsOf } from '../../../scripts/lib/run/main.mts'
import { formatLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import { vmCommand } from '../../../scripts/lib/vm/verbs/command.mts'
import { failureOf } from '../failure.mts'
import { limits, wanted } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'
import { haveOwnKey } from './own-key.mts'

const [spec] = await commandsOf([new URL('../../../scripts/vm.mts', import.meta.url)])
const current = version(9)

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
  await mkdir(join(folder, 'config'))
  await cp('config/proxmint.yaml', join(folder, 'config/proxmint.yaml'))
  await symlink(resolve('cloud-init'), join(folder, 'cloud-init'))
  const families = { debian: { current, previous: null, candidate: null, retired: [] } }
  await writeFile(join(folder, 'config/templates.lock.json'), formatLockfile(families))
  vi.stubEnv('PROXMINT_CONFIG', join(folder, 'config/proxmint.yaml'))
  await haveOwnKey()
  vi.stubEnv('PROXMINT_STATE_DIR', join(folder, 'state'))
  vi.stubEnv('PROXMINT_CREDENTIALS', join(folder, 'no-credentials.yaml'))
  for (const name of ['URL', 'USERNAME', 'TOKEN', 'NODE', 'STORAGE_POOL']) vi.stubEnv(`PROXMOX_${name}`, '')
})
afterEach(() => vi.unstubAllEnvs())

const vm = (...words: string[]) => vmCommand(parseArguments(spec!, words), new AbortController().signal)

async function reserved(...names: string[]): Promise<void> {
  const store = openFileStore({ folder: join(folder, 'state/registry'), purpose: 'test' })
  await store.reserve(
    names.map(name => wanted(name)),
    limits(),
  )
  await store.close()
}

describe('--mock', () => {
  test('needs no credentials, and says what they would have told', async () => {
    const { document, text } = await vm('create', 'web-1', '--mock', '--cpu', '3')
    expect(document).toMatchObject({
      entry: { name: 'web-1', vmid: 100, node: 'unknown', template: { version: current.name } },
      configuration: { module: { vm: { cores: 3, storage: 'unknown', template: { vmid: 9009 } } } },
    })
    expect(text).toContain('node and storage, where `unknown` stands: no credentials: neither PROXMOX_URL')
    expect(text).toContain('what only Proxmox tells: VMIDs')
    expect(await readdir(folder)).not.toContain('state')
  })

  test('takes node and storage from the environment without a token', async () => {
    vi.stubEnv('PROXMOX_NODE', 'pve')
    vi.stubEnv('PROXMOX_STORAGE_POOL', 'tank')
    const { document } = await vm('create', 'web-1', '--mock')
    expect(document).toMatchObject({
      entry: { node: 'pve' },
      configuration: { module: { vm: { storage: 'tank', template: { node: 'pve' } } } },
    })
  })

  test('shows the next free numbers of the registry, and takes none', async () => {
    await reserved('web-1', 'web-2')
    const next = { entry: { vmid: 102, address: '192.168.122.202' } }
    expect((await vm('create', 'web-3', '--mock')).document).toMatchObject(next)
    expect((await vm('create', 'web-4', '--mock')).document).toMatchObject(next)
    expect((await vm('list')).document).toMatchObject([{ name: 'web-1' }, { name: 'web-2' }])
  })

  test('shows all VMs of a fleet, and that one which is there stays as it is', async () => {
    await reserved('web-2')
    const file = join(folder, 'fleet.yaml')
    await writeFile(file, 'vms:\n  web-1: { cpu: 1 }\n  web-2: {}\n  web-3: { template: arch }\n')
    const { document, text } = await vm('create', '--from', file, '--mock')
    expect(document).toMatchObject([
      { entry: { name: 'web-2', vmid: 100 }, configuration: null },
      { entry: { name: 'web-1', vmid: 101 }, configuration: { module: { vm: { cores: 1 } } } },
      { entry: { name: 'web-3', vmid: 102, template: null } },
    ])
    expect(text).toContain('web-2 is reserved already: `create` would change nothing about it.')
    expect(text).toContain('the VM template, where VMID 0 stands: arch has no current version yet')
  })

  test('is for `create` alone', async () => {
    expect(await failureOf(() => vm('list', '--mock'))).toMatchObject({ exitCode: 2 })
  })
})

describe('before anybody logs in', () => {
  test.each([
    ['a family', ['--template', 'debain'], 'unknown OS debain; did you mean debian?'],
    ['a cloud-init template', ['--cloud-init', 'devbx'], 'template devbx; did you mean devbox?'],
    ['a pool', ['--pool', 'defalt'], 'unknown pool defalt; did you mean default?'],
    ['a VMID', ['--vmid', '5000'], 'VMID 5000 is not in vmid_range'],
    ['an address', ['--ip', '10.0.0.5'], '10.0.0.5 is not in the pool default'],
  ])('%s that cannot be had is told', async (_, options, message) => {
    for (const more of [[], ['--mock']]) {
      const failure = await failureOf(() => vm('create', 'web-1', ...options, ...more))
      expect(failure).toMatchObject({ message: expect.stringContaining(message), exitCode: 2 })
    }
  })

  test('a name that is none is told, and that a family was never built', async () => {
    expect((await failureOf(() => vm('create', 'Web_1'))).message).toContain('is not a VM name')
    expect((await failureOf(() => vm('create', 'web-1', '--template', 'arch'))).message).toBe(
      'the VM is to be made from arch, which has no version yet',
    )
  })

  test('a VM that nobody could log in to is refused, unless that is meant', async () => {
    vi.stubEnv('HOME', folder)
    for (const more of [[], ['--mock']]) {
      expect(await failureOf(() => vm('create', 'web-1', ...more))).toMatchObject({
        message: 'nobody could log in to web-1: there is no SSH key for it',
        exitCode: 3,
      })
    }
    const { document } = await vm('create', 'web-1', '--mock', '--no-login')
    expect(document).toMatchObject({
      entry: { design: { noLogin: true, cloudInit: { sshAuthorizedKeys: [] } } },
    })
    expect(await failureOf(() => vm('create', 'web-1', '--no-login', '--skip-mint'))).toMatchObject({
      message: '--no-login is for a VM that nobody can log in to, and a wallet opens one',
      exitCode: 2,
    })
  })

  test('the key of the person is told once for all VMs, and stands in each', async () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const { document } = await vm('create', 'web-1', 'web-2', '--mock')
    const said = write.mock.calls.map(([text]) => String(text)).join('')
    write.mockRestore()
    expect(said.match(/SSH key/g)).toHaveLength(1)
    expect(said).toContain('2 VMs: the SSH key is ~/.ssh/id_ed25519.pub')
    const cloudInit = { sshAuthorizedKeys: ['ssh-ed25519 AAAA me@laptop'] }
    expect(document).toMatchObject([
      { entry: { design: { cloudInit } } },
      { entry: { design: { cloudInit } } },
    ])
  })

  test('a VM whose options are right needs credentials, one that is there too', async () => {
    await reserved('web-1')
    for (const name of ['web-1', 'web-2']) {
      expect(await failureOf(() => vm('create', name))).toMatchObject({ exitCode: 4 })
    }
  })
})
