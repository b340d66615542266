/** SSH keys of VMs: from where a VM without any takes one, and when it is refused. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { findOwnSshKey } from '../../../scripts/lib/config/own-ssh-key.mts'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { requireLogin, withKeysOfToday } from '../../../scripts/lib/vm/plan/logins.mts'
import { failureOf } from '../failure.mts'
import { limits, wanted } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

const key = 'ssh-ed25519 AAAA me@laptop'
const rsa = 'ssh-rsa BBBB me@laptop'
const design = (sshAuthorizedKeys: string[], more: object = {}) =>
  ({
    access: null,
    cloudInit: { sshAuthorizedKeys, username: 'admin', template: 'devbox' },
    ...more,
  }) as unknown as VmDesign

let home: string
beforeEach(async () => {
  home = await temporaryFolder()
  vi.stubEnv('HOME', home)
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

async function ownKey(name: string, text: string): Promise<void> {
  await mkdir(join(home, '.ssh'), { recursive: true })
  await writeFile(join(home, '.ssh', `${name}.pub`), text)
}

describe('the key of the person who runs the command', () => {
  test('is the best one that is there', async () => {
    expect(await findOwnSshKey()).toBeUndefined()
    await ownKey('id_rsa', `${rsa}\n`)
    expect(await findOwnSshKey()).toEqual({ publicKey: rsa, file: '~/.ssh/id_rsa.pub' })
    await ownKey('id_ed25519', `${key}\n`)
    expect(await findOwnSshKey()).toEqual({ publicKey: key, file: '~/.ssh/id_ed25519.pub' })
  })

  test('is not a file with something else in it', async () => {
    await ownKey('id_ed25519', '-----BEGIN OPENSSH PRIVATE KEY-----\n')
    await ownKey('id_ecdsa', `${key}\n${rsa}\n`)
    await ownKey('id_rsa', rsa)
    expect(await findOwnSshKey()).toMatchObject({ file: '~/.ssh/id_rsa.pub' })
  })
})

/** The keys of the VM when it is made, and what was said. */
async function keysOf(
  reserved: VmDesign,
  today: string[],
  change: (entry: Entry) => Entry = entry => entry,
): Promise<{ keys: string[]; said: string }> {
  const folder = await temporaryFolder()
  await writeFile(
    join(folder, 'vm.yaml'),
    JSON.stringify({ cloud_init: { username: 'other', ssh_authorized_keys: today } }),
  )
  vi.stubEnv('PROXMINT_VM', join(folder, 'vm.yaml'))
  await using store = Object.assign(openFileStore({ folder: join(folder, 'registry'), purpose: 'test' }), {
    [Symbol.asyncDispose]: () => store.close(),
  })
  const [found] = await store.reserve([{ ...wanted('web-1'), design: reserved }], limits())
  const entry = await store.change(found!, change)
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const made = await withKeysOfToday(entry, store, openSite())
  expect(await store.find('web-1')).toEqual(made)
  expect(made.design!.cloudInit.username).toBe('admin')
  return {
    keys: made.design!.cloudInit.sshAuthorizedKeys,
    said: write.mock.calls.map(([text]) => String(text)).join(''),
  }
}

describe('a VM that was reserved gets', () => {
  test('of one without any: those of today', async () => {
    expect(await keysOf(design([]), [key])).toEqual({ keys: [key], said: '' })
  })

  test('where config/vm.yaml has none: that of the person, and is told which', async () => {
    await ownKey('id_ed25519', key)
    expect(await keysOf(design([]), [])).toEqual({
      keys: [key],
      said: 'web-1: the SSH key is ~/.ssh/id_ed25519.pub, since config/vm.yaml has no ssh_authorized_keys\n',
    })
  })

  test('where there are none still: it is not made', async () => {
    expect(await failureOf(() => keysOf(design([]), []))).toMatchObject({
      message: 'nobody could log in to web-1: there is no SSH key for it',
      hint: expect.stringContaining('--no-login'),
      exitCode: 3,
    })
  })

  test('where its disk is gone by now: it is made all the same', async () => {
    const ran = (entry: Entry): Entry => ({
      ...entry,
      history: [...entry.history, { at: entry.createdAt, what: 'active' }],
    })
    expect(await keysOf(design([]), [], ran)).toEqual({ keys: [], said: '' })
  })

  test('of one that has some: those that were decided', async () => {
    const decided = 'ssh-ed25519 BBBB'
    expect(await keysOf(design([decided]), [key])).toEqual({ keys: [decided], said: '' })
  })

  test('of one that a wallet opens, or that nobody is to log in to: none', async () => {
    expect(await keysOf(design([], { access: {} }), [key])).toEqual({ keys: [], said: '' })
    expect(await keysOf(design([], { noLogin: true }), [key])).toEqual({ keys: [], said: '' })
  })
})

describe('a VM that nobody could log in to', () => {
  const vm = { name: 'web-1', purpose: '', token: null, address: undefined }
  const check = (template: string, given = design([key])) =>
    requireLogin(vm, given, { ...openSite(), userDataTemplate: async () => template })

  test('is one whose cloud-init template has no place for a key', async () => {
    expect(await failureOf(() => check('users: [{name: "{{ username }}"}]'))).toMatchObject({
      message: 'nobody could log in to web-1: its cloud-init template devbox gives no account a key',
      exitCode: 3,
    })
    await check('users: [{name: "{{ username }}"}]', design([key], { noLogin: true }))
  })

  test.each([
    'users: [{name: a, ssh_authorized_keys: "{{ ssh_authorized_keys }}"}]',
    'ssh_authorized_keys: "{{ ssh_authorized_keys }}"',
    'users: [{name: a, ssh_import_id: [gh:me]}]',
    'users: [default, {name: a, passwd: $6$x}]',
    'user: {name: a, plain_text_passwd: x}',
    'chpasswd: {list: [a:b]}',
    'write_files: [{path: /root/.ssh/authorized_keys, content: x}]',
  ])('is not one with %s', async template => {
    await check(template)
  })

  test('is one whose lists are empty', async () => {
    const template = 'users: [{name: a, ssh_authorized_keys: "{{ ssh_authorized_keys }}", passwd: ""}]'
    expect(await failureOf(() => check(template, design([])))).toMatchObject({ exitCode: 3 })
  })
})
