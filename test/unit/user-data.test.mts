import { readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { renderUserData, userDataFolder } from '../../scripts/lib/cloud-init/user-data.mts'
import { failureOf } from './failure.mts'
import { temporaryFolder } from './temporary.mts'

const ours = resolve(import.meta.dirname, '../..', userDataFolder)
const variables = {
  hostname: 'web-1',
  username: 'me',
  purpose: 'a "shop": nothing else\n# really',
  ssh_authorized_keys: ['ssh-ed25519 AAAA a', 'ssh-ed25519 BBBB b'],
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
    const text = await renderUserData(ours, file.replace('.yaml', ''), variables)
    expect(text.split('\n')[0]).toBe('#cloud-config')
    const document = parse(text)
    expect(document).toMatchObject({ hostname: 'web-1', ssh_pwauth: false })
    expect(document.users).toHaveLength(1)
    expect(document.users[0]).toMatchObject({
      name: 'me',
      gecos: variables.purpose,
      lock_passwd: true,
      ssh_authorized_keys: variables.ssh_authorized_keys,
    })
  })
})

test('no value leaves its place', async () => {
  const text = await render('a: "x {{ hostname }} y"\nb: "{{ hostname }}"', {
    hostname: 'z\nruncmd: [evil]\n',
  })
  expect(parse(text)).toEqual({ a: 'x z\nruncmd: [evil]\n y', b: 'z\nruncmd: [evil]\n' })
})

test.each([
  ['a: "{{ hostnam }}"', 'uses the unknown variable hostnam; did you mean hostname?'],
  ['a: "{{ zzzzzzzzz }}"', 'uses the unknown variable zzzzzzzzz'],
  ['a: "x {{ ssh_authorized_keys }}"', 'uses the list ssh_authorized_keys inside of a text'],
  ['', 'is empty'],
])('%j is refused', async (text, what) => {
  const failure = await failureOf(() => render(text))
  expect(failure.message).toMatch(/^the cloud-init template .*mine\.yaml /)
  expect(failure.message).toContain(what)
  expect(failure.exitCode).toBe(3)
})

test('an unknown template is told with the nearest', async () => {
  expect(await failureOf(() => renderUserData(ours, 'devbx', variables))).toMatchObject({
    message: 'unknown cloud-init template devbx; did you mean devbox?',
    facts: { known: 'devbox, webserver' },
    exitCode: 2,
  })
  expect(await failureOf(() => renderUserData(ours, '../../package', variables))).toMatchObject({
    exitCode: 2,
  })
})
