/** Other people's clients: what they can do with Proxmox VE they can do with the lab. */

import { execFile, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT_PASSWORD, ROOT_TOKEN, startLab, type TestLab } from './client.mts'

const run = promisify(execFile)
const PROXMOXER = '2.3.0'
const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
const venv = join(cache, 'proxmint', `proxmoxer-${PROXMOXER}`)
const drive = (name: string) => new URL(`clients/${name}`, import.meta.url).pathname

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
  const settings = { vmid: 100, name: 'base', scsi0: 'tank:1', net0: 'virtio,bridge=vmbr0', agent: 1 }
  await lab.task('POST', '/nodes/pve/qemu', settings)
})
afterAll(() => lab.close())

/** Runs a client. What it logs in with goes through stdin, never through its arguments. */
async function client(file: string, args: string[], input: string): Promise<string> {
  const env = {
    ...process.env,
    LAB_PORT: String(lab.server.port),
    LAB_CA: lab.server.caFile,
    NODE_EXTRA_CA_CERTS: lab.server.caFile,
  }
  const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(input)
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('close', resolve).on('error', reject),
  )
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${err}${out}`)
  return out
}

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
      [drive('drive.mts')],
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

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

/** Installs proxmoxer once, outside the work tree. Returns why it could not. */
async function installProxmoxer(): Promise<string | undefined> {
  const done = join(venv, 'installed')
  if (await exists(done)) return undefined
  try {
    await run('python3', ['-m', 'venv', venv])
    await run(join(venv, 'bin/pip'), ['install', '--quiet', `proxmoxer==${PROXMOXER}`, 'requests'])
    await run('touch', [done])
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

describe('proxmoxer (PyPI)', () => {
  let missing: string | undefined
  beforeAll(async () => {
    missing = await installProxmoxer()
    if (missing !== undefined) console.warn(`SKIPPED: proxmoxer cannot be installed: ${missing}`)
  })

  test.for([
    ['a ticket', 301, { user: 'root@pam', password: ROOT_PASSWORD }],
    ['an API token', 302, { user: 'root@pam', token_name: 'test', token_value: ROOT_TOKEN }],
  ] as const)('with %s', async ([_, newid, login], { skip }) => {
    skip(missing !== undefined, missing)
    const input = JSON.stringify({ kind: 'python', newid, ...login })
    expect(JSON.parse(await client(join(venv, 'bin/python'), [drive('drive.py')], input))).toEqual({
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

  test('logs in, then writes with the cookie and the CSRF token', async () => {
    const login = await curl([
      `url = "${lab.server.url}/access/ticket"`,
      'data = "username=root@pam"',
      `data-urlencode = "password=${ROOT_PASSWORD}"`,
    ])
    const { ticket, CSRFPreventionToken } = JSON.parse(login).data
    const session = [
      `cookie = "PVEAuthCookie=${ticket}"`,
      `header = "CSRFPreventionToken: ${CSRFPreventionToken}"`,
    ]
    const created = await curl([
      `url = "${lab.server.url}/nodes/pve/qemu"`,
      ...session,
      'data = "vmid=400"',
      'data-urlencode = "net0=virtio,bridge=vmbr0"',
      'data-urlencode = "scsi0=tank:1"',
    ])
    expect(JSON.parse(created).data).toMatch(/:qmcreate:400:root@pam:$/)
    await lab.server.admin.settled()
    const listed = await curl([`url = "${lab.server.url}/nodes/pve/qemu"`, ...session])
    expect(JSON.parse(listed).data.map((vm: { vmid: number }) => vm.vmid)).toContain(400)
  })

  test('uploads a file as a form', async () => {
    await curl([
      `url = "${lab.server.url}/nodes/pve/storage/local/upload"`,
      `header = "Authorization: PVEAPIToken=root@pam!test=${ROOT_TOKEN}"`,
      'form = "content=iso"',
      `form = "filename=@${drive('drive.py')};filename=drive.iso"`,
    ])
    await lab.server.admin.settled()
    const { data } = await lab.get('/nodes/pve/storage/local/content?content=iso')
    expect(data).toEqual([
      expect.objectContaining({ volid: 'local:iso/drive.iso', size: expect.any(Number) }),
    ])
  })
})
