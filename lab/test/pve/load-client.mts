/** One of many clients: it knows what its own VMs must be like, and says each time when they are not. */

import { Agent, request } from 'node:https'
import { expect } from 'vitest'

export interface Connection {
  url: string
  ca: string
  /** What logs in: an API token, or a ticket with its CSRF token. */
  headers: Record<string, string>
}

interface Answer {
  status: number
  reason: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  data: any
}

type Parameters = Record<string, string | number>

export class LoadClient {
  requests = 0
  readonly #connection: Connection
  /** One connection each, which is kept, as a person's client does. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(connection: Connection) {
    this.#connection = connection
  }

  call(method: string, path: string, parameters: Parameters = {}): Promise<Answer> {
    const { url, ca, headers } = this.#connection
    const form = new URLSearchParams(Object.entries(parameters).map(([k, v]) => [k, String(v)])).toString()
    const isWrite = method === 'POST' || method === 'PUT'
    const target = isWrite || form === '' ? `${url}${path}` : `${url}${path}?${form}`
    const type = isWrite ? { 'content-type': 'application/x-www-form-urlencoded' } : {}
    this.requests += 1
    return new Promise((resolve, reject) => {
      const sent = request(
        target,
        { method, ca, agent: this.#agent, headers: { ...headers, ...type } },
        response => {
          const chunks: Buffer[] = []
          response.on('data', chunk => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const body = Buffer.concat(chunks).toString()
            const { statusCode: status = 0, statusMessage: reason = '' } = response
            resolve({ status, reason, data: body === '' ? undefined : JSON.parse(body).data })
          })
        },
      )
      sent.on('error', reject)
      sent.end(isWrite ? form : undefined)
    })
  }

  /** `data` of an answer that must be a 200. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  async ok(method: string, path: string, parameters?: Parameters): Promise<any> {
    const { status, reason, data } = await this.call(method, path, parameters)
    expect({ status, reason }, `${method} ${path}`).toEqual({ status: 200, reason: 'OK' })
    return data
  }

  /** Starts a worker and waits until it has succeeded. */
  async done(method: string, path: string, parameters?: Parameters): Promise<void> {
    const upid: string = await this.ok(method, path, parameters)
    const task = `/nodes/pve/tasks/${encodeURIComponent(upid)}/status`
    for (;;) {
      const { status, exitstatus } = await this.ok('GET', task)
      if (status !== 'stopped') continue
      expect(exitstatus, `${method} ${path}`).toBe('OK')
      return
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** The life of one VM, some twenty requests, each answer compared with what was done before. */
export async function liveOnce(client: LoadClient, template: number, vmid: number, round: number) {
  const path = `/nodes/pve/qemu/${vmid}`
  const name = `vm-${vmid}-${round}`
  const config = () => client.ok('GET', `${path}/config`)
  await client.done('POST', `/nodes/pve/qemu/${template}/clone`, { newid: vmid, name, full: round % 2 })
  const fresh = await config()
  expect(fresh).toMatchObject({ name, cores: 1, net0: expect.stringMatching(/^virtio=[0-9A-F:]{17},/) })

  const cores = 1 + (round % 4)
  const description = `round ${round} of ${vmid}`
  await client.ok('PUT', `${path}/config`, { cores, description, digest: fresh.digest })
  const changed = await config()
  expect(changed).toMatchObject({ name, cores, description, net0: fresh.net0 })
  const stale = await client.call('PUT', `${path}/config`, { cores: 8, digest: fresh.digest })
  expect(stale.reason).toBe('checksum mismatch (file change by other user?)')

  await client.done('POST', `${path}/config`, { memory: 512 + round, tags: `round-${round}` })
  await client.done('POST', `${path}/status/start`)
  expect(await client.ok('GET', `${path}/status/current`)).toMatchObject({ status: 'running' })
  const listed: { vmid: number }[] = await client.ok('GET', '/cluster/resources', { type: 'vm' })
  expect(listed.filter(vm => vm.vmid === vmid)).toEqual([
    expect.objectContaining({ name, status: 'running', tags: `round-${round}` }),
  ])
  const running = await client.call('DELETE', path)
  expect(running.reason).toBe(`VM ${vmid} is running - destroy failed`)
  await client.done('POST', `${path}/status/stop`)
  expect(await config()).toMatchObject({ cores, memory: String(512 + round) })
}

/** Removes the VM and sees that it is gone. */
export async function end(client: LoadClient, vmid: number): Promise<void> {
  const path = `/nodes/pve/qemu/${vmid}`
  await client.done('DELETE', path)
  const gone = await client.call('GET', `${path}/config`)
  expect(gone.reason).toBe(`Configuration file 'nodes/pve/qemu-server/${vmid}.conf' does not exist`)
}
