/** Other people's clients: what they can do with Proxmox VE they can do with the lab. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT_PASSWORD, ROOT_TOKEN, startLab, type TestLab } from './client.mts'
import { type Installed, pythonWith } from './clients/install.mts'
import { driver, runClient } from './clients/run-client.mts'

const PROXMOXER = '2.3.0'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
  const settings = { vmid: 100, name: 'base', scsi0: 'tank:1', net0: 'virtio,bridge=vmbr0', agent: 1 }
  await lab.task('POST', '/nodes/pve/qemu', settings)
})
afterAll(() => lab.close())

const client = (file: string, args: string[], input: string) => runClient(lab.server, file, args, input)

const allDone = {
  version: '9.1',
  before: [100],
  clone: 'OK',
  config: 'OK',
  start: 'OK',
  interfaces: ['eth0'],
  stop: 'OK',
  template: 'OK',
  cores: 3,
  delete: 'OK',
}

describe('proxmox-api (npm)', () => {
  test.each([
    ['a ticket', 201, { username: 'root@pam', password: ROOT_PASSWORD }],
    ['an API token', 202, { tokenID: 'root@pam!test', tokenSecret: ROOT_TOKEN }],
  ])('with %s', async (_, newid, login) => {
    const seen = await client(
      process.execPath,
      [driver('drive.mts')],
      JSON.stringify({ kind: 'npm', newid, ...login }),
    )
    expect(JSON.parse(seen)).toEqual({
      ...allDone,
      gone: expect.stringContaining(
        `Configuration file 'nodes/pve/qemu-server/${newid}.conf' does not exist`,
      ),
    })
  })
})

describe('proxmoxer (PyPI)', () => {
  let python: Installed
  beforeAll(async () => {
    python = await pythonWith(`proxmoxer-${PROXMOXER}`, [`proxmoxer==${PROXMOXER}`, 'requests'])
    if (python.missing) console.warn(`SKIPPED: proxmoxer cannot be installed: ${python.missing}`)
  })

  test.for([
    ['a ticket', 301, { user: 'root@pam', password: ROOT_PASSWORD }],
    ['an API token', 302, { user: 'root@pam', token_name: 'test', token_value: ROOT_TOKEN }],
  ] as const)('with %s', async ([_, newid, login], { skip }) => {
    skip(python.missing !== undefined, python.missing)
    const input = JSON.stringify({ kind: 'python', newid, ...login })
    expect(JSON.parse(await client(python.file!, [driver('drive.py')], input))).toEqual({
      ...allDone,
      gone: [500, `Configuration file 'nodes/pve/qemu-server/${newid}.conf' does not exist`],
    })
  })
})

describe('curl, as Proxmox shows it', () => {
  const curl = (config: string[]) =>
    client(
      'curl',
      ['--silent', '--show-error', '--config', '-'],
      [`cacert = "${lab.server.caFile}"`, ...config].join('\n'),
    )
  const to = (path: string) => `url = "${lab.server.url}${path}"`
  const apiToken = `header = "Authorization: PVEAPIToken=root@pam!test=${ROOT_TOKEN}"`
  /** Proxmox tells what is wrong in the status line, which curl prints with `--include`. */
  const statusLine = async (config: string[]) =>
    (await curl(['include', 'http1.1', ...config])).split('\r\n')[0]

  async function loggedIn() {
    const login = await curl([
      to('/access/ticket'),
      'data = "username=root@pam"',
      `data-urlencode = "password=${ROOT_PASSWORD}"`,
    ])
    const { ticket, CSRFPreventionToken } = JSON.parse(login).data
    return {
      cookie: `cookie = "PVEAuthCookie=${ticket}"`,
      csrf: `header = "CSRFPreventionToken: ${CSRFPreventionToken}"`,
    }
  }

  test('logs in, then reads with the cookie and writes with the CSRF token too', async () => {
    const { cookie, csrf } = await loggedIn()
    const pool = [to('/pools'), cookie, 'data = "poolid=by-curl"']
    expect(await statusLine(pool)).toBe('HTTP/1.1 401 Permission denied - invalid csrf token')
    const created = await curl([
      to('/nodes/pve/qemu'),
      cookie,
      csrf,
      'data = "vmid=400"',
      'data-urlencode = "net0=virtio,bridge=vmbr0"',
      'data-urlencode = "scsi0=tank:1"',
    ])
    expect(JSON.parse(created).data).toMatch(/:qmcreate:400:root@pam:$/)
    await lab.server.admin.settled()
    const listed = await curl([to('/nodes/pve/qemu'), cookie])
    expect(JSON.parse(listed).data.map((vm: { vmid: number }) => vm.vmid)).toContain(400)
  })

  test('needs nothing but the header with an API token, for each method', async () => {
    const create = [to('/pools'), apiToken, 'data = "poolid=tokened"']
    expect(JSON.parse(await curl(create))).toEqual({ data: null })
    const change = [to('/pools/tokened'), apiToken, 'request = "PUT"', 'data = "comment=a b"']
    expect(JSON.parse(await curl(change))).toEqual({ data: null })
    const read = JSON.parse(await curl([to('/pools/tokened'), apiToken]))
    expect(read.data).toMatchObject({ comment: 'a b' })
    expect(await statusLine([to('/pools/tokened'), apiToken, 'request = "DELETE"'])).toBe('HTTP/1.1 200 OK')
    expect(await statusLine([to('/pools/tokened'), apiToken])).toBe(
      "HTTP/1.1 500 pool 'tokened' does not exist",
    )
  })

  test('sends JSON where it is told to', async () => {
    const body = JSON.stringify({ poolid: 'json', comment: 'as JSON' }).replaceAll('"', '\\"')
    const sent = [to('/pools'), apiToken, 'header = "Content-Type: application/json"', `data = "${body}"`]
    expect(JSON.parse(await curl(sent))).toEqual({ data: null })
    expect((await lab.get('/pools/json')).data.comment).toBe('as JSON')
  })

  test('uploads a file as a form', async () => {
    await curl([
      to('/nodes/pve/storage/local/upload'),
      apiToken,
      'form = "content=iso"',
      `form = "filename=@${driver('drive.py')};filename=drive.iso"`,
    ])
    await lab.server.admin.settled()
    const { data } = await lab.get('/nodes/pve/storage/local/content?content=iso')
    expect(data).toEqual([
      expect.objectContaining({ volid: 'local:iso/drive.iso', size: expect.any(Number) }),
    ])
  })
})
