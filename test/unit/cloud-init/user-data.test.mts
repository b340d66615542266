import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { renderUserData, USER_DATA_FOLDER } from '../../../scripts/lib/cloud-init/user-data.mts'
import type { AccessDesign } from '../../../scripts/lib/registry/entry.mts'
import { accessVariables, userDataOf } from '../../../scripts/lib/vm/stack/user-data.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const ours = resolve(import.meta.dirname, '../../..', USER_DATA_FOLDER)
const variables = {
  hostname: 'web-1',
  username: 'me',
  purpose: 'a "shop": nothing else\n# really',
  ssh_authorized_keys: ['ssh-ed25519 AAAA a', 'ssh-ed25519 BBBB b'],
}
const access: AccessDesign = {
  chainId: 31337,
  contract: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
  rpcUrl: 'https://rpc.example.net/',
  signingPagePort: 8080,
  otpLength: 6,
  otpTtlSeconds: 300,
  decryptMessage: 'libpam-web3:x',
  userEncrypted: '0x',
  mintLater: false,
}
/** What `renderUserData` is given for a VM with the token 0. */
const withToken = {
  ...variables,
  ...(await accessVariables(access, '2001:db8::5', { status: 'minted', id: '0', transaction: '0x1' })),
}

async function render(
  text: string,
  given: Parameters<typeof renderUserData>[2] = variables,
): Promise<string> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'mine.yaml'), text)
  return renderUserData(folder, 'mine', given)
}

describe('the templates of the project', async () => {
  test.each(await readdir(ours))('%s takes what proxmint gives it', async file => {
    const isForTokens = file === 'nft-auth.yaml'
    const text = await renderUserData(ours, file.replace('.yaml', ''), isForTokens ? withToken : variables)
    expect(text.split('\n')[0]).toBe('#cloud-config')
    const document = parse(text)
    expect(document).toMatchObject({ hostname: 'web-1', ssh_pwauth: false })
    expect(document.users).toHaveLength(1)
    expect(document.users[0]).toMatchObject({
      name: 'me',
      gecos: isForTokens ? 'nft=0' : 'a "shop" nothing else # really',
      lock_passwd: true,
      ssh_authorized_keys: variables.ssh_authorized_keys,
    })
  })
})

test('nft-auth says what libpam-web3 reads, and leaves the secret of the machine to the machine', async () => {
  const { write_files: files, runcmd } = parse(await renderUserData(ours, 'nft-auth', withToken))
  const contentOf = (path: string): string =>
    files.find((file: { path: string }) => file.path === path).content
  const config = contentOf('/etc/pam_web3/config.toml')
  expect(config).toContain('signing_url = "http://[2001:db8::5]:8080/"')
  // The first boot appends the key to the table that is open at the end.
  expect(config.trimEnd().split('\n\n').at(-1)).toBe('[machine]\nid = "web-1"')
  expect(runcmd[0]).toContain('>> /etc/pam_web3/config.toml')
  expect(contentOf('/usr/local/share/proxmint/signing-page/index.html')).toContain('<!doctype html>')
})

test('a template without a place for the token is refused where a token is wanted', async () => {
  expect(await failureOf(() => renderUserData(ours, 'devbox', withToken, ['gecos']))).toMatchObject({
    message: 'the cloud-init template devbox has no {{ gecos }}: no wallet would open the VM',
    exitCode: 2,
  })
  expect(await failureOf(() => renderUserData(ours, 'nft-auth', variables))).toMatchObject({
    hint: 'only a VM with wallet login has it: --owner-wallet 0x...',
  })
})

test('no value leaves its place', async () => {
  const text = await render('fqdn: "x {{ hostname }} y"\nhostname: "{{ hostname }}"', {
    hostname: 'z\nruncmd: [evil]\n',
  })
  expect(parse(text)).toEqual({ fqdn: 'x z\nruncmd: [evil]\n y', hostname: 'z\nruncmd: [evil]\n' })
})

test.each([
  ['a: "{{ hostnam }}"', 'uses the unknown variable hostnam; did you mean hostname?'],
  ['a: "{{ zzzzzzzzz }}"', 'uses the unknown variable zzzzzzzzz'],
  ['a: "x {{ ssh_authorized_keys }}"', 'uses the list ssh_authorized_keys inside a text'],
  ['', 'is empty'],
  ['pakages: [git]', 'has the key pakages, which cloud-init does not know; did you mean packages?'],
  ['packages: git', 'has packages, which must be a list'],
  ['chpasswd: [a]', 'has chpasswd, which must hold keys of its own'],
])('%j is refused', async (text, what) => {
  const failure = await failureOf(() => render(text))
  expect(failure.message).toMatch(/^the cloud-init template .*mine\.yaml /)
  expect(failure.message).toContain(what)
  expect(failure.hint).toMatch(/^correct .*mine\.yaml, then run the same command again/)
  expect(failure.exitCode).toBe(3)
})

test('an unknown template is told with the nearest', async () => {
  expect(await failureOf(() => renderUserData(ours, 'devbx', variables))).toMatchObject({
    message: 'unknown cloud-init template devbx; did you mean devbox?',
    facts: { known: 'devbox, minimal, nft-auth, webserver' },
    exitCode: 2,
  })
  expect(await failureOf(() => renderUserData(ours, '../../package', variables))).toMatchObject({
    exitCode: 2,
  })
})

describe('a GECOS field', () => {
  const template = 'users:\n  - name: "{{ username }}"\n    gecos: "{{ purpose }}"\n'
  const gecosOf = async (text: string, given: object): Promise<string> =>
    parse(await render(text, { ...variables, ...given })).users[0].gecos

  test.each([
    ['shop: front', 'shop front'],
    ['shop:\nfront', 'shop front'],
    ['shop, front', 'shop front'],
    ['  \u0007bell\u009b2J\u2028 ', 'bell 2J'],
    ['nft=5', 'nft 5'],
    ['Zoë’s shöp 🛒', 'Zoë’s shöp 🛒'],
    [`${'x'.repeat(99)}🛒y`, `${'x'.repeat(99)}🛒`],
    [':::', ''],
  ])('has of the purpose %j what useradd accepts', async (purpose, gecos) => {
    expect(await gecosOf(template, { purpose })).toBe(gecos)
  })

  test('has the token as libpam-web3 reads it', async () => {
    const withTokenOnly = template.replace('purpose', 'gecos')
    expect(await gecosOf(withTokenOnly, { gecos: 'nft=5' })).toBe('nft=5')
    const withBoth = template.replace('{{ purpose }}', '{{ gecos }},{{ purpose }}')
    expect(await gecosOf(withBoth, { gecos: 'nft=5', purpose: 'a,nft=6' })).toBe('nft=5,a nft 6')
  })

  test('is refused where the template itself has a colon in it', async () => {
    const failure = await failureOf(() => render(template.replace('{{ purpose }}', 'shop: front')))
    expect(failure.message).toContain('has the gecos "shop: front", which has a colon')
    expect(failure.exitCode).toBe(3)
  })

  test('is all that is cleaned', async () => {
    const text = await render(`fqdn: "{{ purpose }}"\n${template}`, { ...variables, purpose: 'shop: front' })
    expect(parse(text).fqdn).toBe('shop: front')
  })
})

describe('what YAML reads as something else than what stands there', () => {
  test.each([
    [
      'hostname: web\nusers:\n  - name: {{ username }}',
      'line 3: quote it, the whole value: "{{ username }}"',
    ],
    ['users:\n  - {{ username }}', 'line 2: quote it, the whole value: "{{ username }}"'],
    ['hostname: {{ hostname }}-1', 'line 1: quote it, the whole value: "{{ hostname }}"'],
    ['write_files:\n  - {path: {{ hostname }}}', 'line 2: quote it, the whole value: "{{ hostname }}"'],
    ['hostname: x\ntimezone: y', 'line 2: quote it: "y"'],
    ['timezone: 1e3', 'line 1: quote it: "1e3"'],
    ['timezone: 09', 'line 1: quote it: "09"'],
    ['timezone: 12345678901234567890', 'line 1: quote it: "12345678901234567890"'],
    ['chpasswd:\n  on: x', 'line 2: quote it: "on"'],
    ['chpasswd:\n  1: x', 'line 2: quote it: "1"'],
    ['chpasswd: !!set {x}', 'line 1: write the value without the tag'],
    ['timezone: !mine x', 'line 1: write the value without the tag'],
    ['chpasswd:\n  "{{ hostname }}": x', 'line 2: write the key itself'],
  ])('%j is refused with its line', async (text, hint) => {
    expect(await failureOf(() => render(text))).toMatchObject({ hint, exitCode: 3 })
  })

  test('a placeholder in a block of text needs no quotes', async () => {
    const text = 'write_files:\n  - path: /x\n    content: |\n      {{ hostname }}: {{ username }}\n'
    expect(parse(await render(text)).write_files[0].content).toBe('web-1: me\n')
  })

  test('a character that cloud-init cannot read is refused', async () => {
    const failure = await failureOf(() => render('fqdn: "{{ purpose }}"', { purpose: 'a\u009bb' }))
    expect(failure.message).toContain('holds characters that YAML cannot hold')
  })
})

test.each([
  ['## template: jinja\n#cloud-config\na: 1', 'is a Jinja template'],
  ['#!/bin/sh\necho', 'is a script'],
  ['#include\nhttps://example.net', 'is an include list'],
  ['#cloud-boothook\n#!/bin/sh', 'is a boot script'],
  ['#cloud-config-archive\n- type: text/x-shellscript', 'is a cloud-config archive'],
  ['Content-Type: multipart/mixed; boundary="x"', 'is a MIME archive'],
  ['- a', 'is a list'],
])('another kind of user-data is refused by its name: %j', async (text, what) => {
  const failure = await failureOf(() => render(text))
  expect(failure.message).toContain(what)
  expect(failure.exitCode).toBe(3)
})

test('keys that cloud-init knows beside its schema, anchors and bytes are taken', async () => {
  const text = await render(
    [
      '#cloud-config',
      'x-base: &base {shell: /bin/bash}',
      'autoinstall: {version: 1}',
      'drivers: {nvidia: {license-accepted: true}}',
      'users: [{<<: *base, name: "{{ username }}"}]',
      'write_files: [{path: /x, content: !!binary aGk=}]',
    ].join('\n'),
  )
  const { users, write_files: files, ...others } = parse(text, { version: '1.1' })
  expect(users).toEqual([{ shell: '/bin/bash', name: 'me' }])
  expect(Buffer.from(files[0].content).toString()).toBe('hi')
  expect(others).toEqual({ autoinstall: { version: 1 }, drivers: { nvidia: { 'license-accepted': true } } })
})

/** cloud-init reads YAML 1.1: what another version writes plainly can be a number or a truth there. */
describe('what cloud-init would read as something else', () => {
  const reading = (text: string) => parse(text, { version: '1.1' })

  test('an octal number stays one, and a truth too', async () => {
    const text = await render('write_files:\n  - path: /etc/x\n    permissions: 0644\npackage_update: yes\n')
    expect(reading(text)).toEqual({
      write_files: [{ path: '/etc/x', permissions: 0o644 }],
      package_update: true,
    })
  })

  test.each(['on', 'no', '12:30', '0644', '1_000', '~', '2026-12-31'])(
    'the text %s stays a text',
    async value => {
      const text = await render('hostname: "{{ hostname }}"\ntimezone: "12:30"\n', { hostname: value })
      expect(reading(text)).toEqual({ hostname: value, timezone: '12:30' })
    },
  )

  test('a day stays a day', async () => {
    const text = await render('users:\n  - name: "{{ username }}"\n    expiredate: 2026-12-31\n')
    expect(text).toContain('expiredate: "2026-12-31"')
  })
})

describe('data disks', async () => {
  const script = await readFile(
    resolve(import.meta.dirname, '../../../scripts/lib/cloud-init/mount-disks.sh'),
    'utf8',
  )
  const disks = [
    { serial: 'data', folder: '/data', fileSystem: 'ext4' },
    { serial: 'logs', folder: '/var/log/app', fileSystem: 'xfs' },
  ]
  const withDisks = async (text: string) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'mine.yaml'), text)
    return renderUserData(folder, 'mine', variables, [], undefined, disks)
  }

  test('are mounted before what the template runs, which needs no word about them', async () => {
    const document = parse(await withDisks('bootcmd:\n  - [echo, theirs]\nmounts:\n  - [sdz, /other]\n'))
    expect(document).toEqual({
      bootcmd: [
        ['sh', '-c', script, 'mount-disks', 'data', '/data', 'ext4', 'logs', '/var/log/app', 'xfs'],
        ['echo', 'theirs'],
      ],
      mounts: [['sdz', '/other']],
    })
  })

  test('a template that mounts something else there is refused', async () => {
    const failure = await failureOf(() => withDisks('mounts:\n  - [sdz, /data]\n'))
    expect(failure.message).toContain('mounts something on /data, as the data disk data does')
  })

  test('a template that has bootcmd in another form is refused as before', async () => {
    const failure = await failureOf(() => withDisks('bootcmd: echo\n'))
    expect(failure.message).toContain('has bootcmd, which must be a list')
  })

  test('no disk: no word of it', async () => {
    expect(await render('runcmd: []\n')).toBe('#cloud-config\nruncmd: []\n')
  })
})

test('the user-data of a VM has the disks that its present system mounts', async () => {
  const entry = { name: 'web-1', purpose: '', token: null, address: undefined }
  const disks = [
    { name: 'data', size: 1, mount: '/data' },
    { name: 'later', size: 1, mount: '/later' },
    { name: 'raw', size: 1 },
  ]
  const cloudInit = { template: 'mine', username: 'me', sshAuthorizedKeys: [] } as never
  const dataDisks = {
    data: { volume: 'tank:1', firstSystem: 0 },
    later: { volume: 'tank:2', firstSystem: 1 },
  }
  const site = { userDataTemplate: async () => 'hostname: x\n' }
  const mountsOf = async (vm: object, design: object) => {
    const text = await userDataOf(site, { ...entry, ...vm }, { cloudInit, access: null, ...design })
    return (parse(text).bootcmd?.[0] ?? []).slice(4)
  }
  const data = ['data', '/data', 'ext4']
  const both = [...data, 'later', '/later', 'ext4']
  expect(await mountsOf({}, { disks })).toEqual(both)
  expect(await mountsOf({ phase: 'reserved' }, { disks })).toEqual(both)
  expect(await mountsOf({ phase: 'active' }, { disks })).toEqual([])
  expect(await mountsOf({ phase: 'active' }, { disks, dataDisks })).toEqual(data)
  expect(await mountsOf({ phase: 'active', system: 1 }, { disks, dataDisks })).toEqual(both)
})
