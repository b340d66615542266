import { readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { renderUserData, USER_DATA_FOLDER } from '../../../scripts/lib/cloud-init/user-data.mts'
import type { AccessDesign } from '../../../scripts/lib/registry/entry.mts'
import { accessVariables } from '../../../scripts/lib/vm/stack/user-data.mts'
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
      gecos: isForTokens ? 'nft=0' : variables.purpose,
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
    facts: { known: 'devbox, nft-auth, webserver' },
    exitCode: 2,
  })
  expect(await failureOf(() => renderUserData(ours, '../../package', variables))).toMatchObject({
    exitCode: 2,
  })
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
