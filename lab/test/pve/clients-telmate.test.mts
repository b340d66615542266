/** Telmate/proxmox-api-go, the client inside Packer's plugin, at the commit which that plugin pins. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT_PASSWORD, ROOT_TOKEN, startLab, type TestLab } from './client.mts'
import { goProgram, type Installed } from './clients/install.mts'
import { driver, runClient } from './clients/run-client.mts'

interface Request {
  method: string
  path: string
  authorization: string
  csrf: boolean
  cookie: boolean
  status: string
}

interface Seen extends Record<string, unknown> {
  requests: Request[]
}

const base = { vmid: 100, name: 'base', scsi0: 'tank:1', ide2: 'tank:cloudinit', agent: 1 }
const settings = { ...base, net0: 'virtio,bridge=vmbr0', ciuser: 'ann', boot: 'order=scsi0' }

let telmate: Installed
let lab: TestLab

beforeAll(async () => {
  telmate = await goProgram(driver('telmate'))
  if (telmate.missing) console.warn(`SKIPPED: the tests with Telmate/proxmox-api-go: ${telmate.missing}`)
  lab = await startLab()
  await lab.task('POST', '/nodes/pve/qemu', settings)
})
afterAll(() => lab.close())

const drive = async (login: object): Promise<Seen> =>
  JSON.parse(await runClient(lab.server, telmate.file!, [], JSON.stringify(login)))

const requestsTo = ({ requests }: Seen, method: string, path: RegExp): Request[] =>
  requests.filter(request => request.method === method && path.test(request.path))

describe.each([
  ['a ticket', { username: 'root@pam', password: ROOT_PASSWORD }, 'PVEAuthCookie'],
  ['an API token', { username: 'root@pam!test', token: ROOT_TOKEN }, 'PVEAPIToken'],
])('with %s', (_, login, scheme) => {
  let seen: Seen
  beforeAll(async () => {
    if (telmate.file) seen = await drive(login)
  })

  test('a build goes through, step by step', ({ skip }) => {
    skip(telmate.missing !== undefined, telmate.missing)
    expect(seen).toMatchObject({
      version: 9,
      cores: 2,
      memory: 1024,
      agent: true,
      description: 'by telmate',
      start: 'OK',
      interfaces: ['eth0'],
      config: 'OK',
      shutdown: 'OK',
      template: 1,
      'delete the ISO': 'OK',
      delete: 'OK',
    })
  })

  test('it logs in by the Authorization header alone, reading with the CSRF token too', ({ skip }) => {
    skip(telmate.missing !== undefined, telmate.missing)
    const [first, ...rest] = seen.requests
    const withTicket = scheme === 'PVEAuthCookie'
    expect(first!.path).toBe(withTicket ? '/access/ticket' : '/version')
    for (const request of withTicket ? rest : seen.requests)
      expect(request).toMatchObject({ authorization: scheme, csrf: withTicket, cookie: false })
    expect(requestsTo(seen, 'GET', /./).length).toBeGreaterThan(10)
  })

  test('the next id is a text, which it would crash without', ({ skip }) => {
    skip(telmate.missing !== undefined, telmate.missing)
    expect(seen['nextid']).toBe(101)
    // A taken id is a 400, after which it tries the next one.
    expect(seen['nextid after a taken one']).toBe(101)
    expect(requestsTo(seen, 'GET', /nextid/).map(({ status }) => status.slice(0, 3))).toEqual([
      '200',
      '400',
      '200',
    ])
  })

  test('errors it knows by their text come at once, not after its retries', ({ skip }) => {
    skip(telmate.missing !== undefined, telmate.missing)
    expect(seen['ha']).toBe(`500 no such resource 'vm:101'`)
    expect(seen['agent of a stopped VM']).toBe('500 VM 101 is not running')
    const asked = requestsTo(seen, 'GET', /network-get-interfaces/)
    expect(asked.map(({ status }) => status)).toEqual(['500 VM 101 is not running', '200 OK'])
    // Once by the driver, then where the library reads the whole config: in the update and after it.
    for (const { status } of requestsTo(seen, 'GET', /ha\/resources/)) expect(status).toBe(seen['ha'])
  })

  test('the change in the request answers nothing, the one in a worker a UPID it waits for', ({ skip }) => {
    skip(telmate.missing !== undefined, telmate.missing)
    expect(requestsTo(seen, 'PUT', /qemu\/101\/config$/).map(({ status }) => status)).toEqual(['200 OK'])
    expect(requestsTo(seen, 'POST', /qemu\/101\/config$/).map(({ status }) => status)).toEqual(['200 OK'])
    const changes = lab.server.admin.tasks().filter(({ type, id }) => type === 'qmconfig' && id === '101')
    expect(changes.at(-1)).toMatchObject({ exitstatus: 'OK' })
    expect(requestsTo(seen, 'GET', /:qmconfig:101:/).length).toBeGreaterThan(0)
  })

  test('a VM that is gone does not exist', ({ skip }) => {
    skip(telmate.missing !== undefined, telmate.missing)
    expect(seen['gone']).toBe("vm 'id-101' not found")
  })
})
