import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import type { Lab } from '../../create.mts'

export interface ApiReply {
  status: number
  reason: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  data: any
}

export interface Api {
  (method: string, path: string, form?: Record<string, string>): Promise<ApiReply>
  /** Calls, follows the task to its end, and returns its exit status. */
  task(method: string, path: string, form?: Record<string, string>): Promise<string>
}

/** A client of the lab's API from outside, with its API token. */
export function apiOf(lab: Pick<Lab, 'url' | 'caFile' | 'tokenEnv'>): Api {
  const ca = readFileSync(lab.caFile)
  const headers = {
    authorization: lab.tokenEnv['PROXMOX_API_TOKEN'],
    'content-type': 'application/x-www-form-urlencoded',
  }
  const call = (method: string, path: string, form?: Record<string, string>) =>
    new Promise<ApiReply>((resolve, reject) => {
      const sent = request(`${lab.url}${path}`, { method, ca, headers }, response => {
        let body = ''
        response.setEncoding('utf8').on('data', chunk => {
          body += chunk
        })
        response.on('end', () => {
          const { data } = body === '' ? { data: undefined } : JSON.parse(body)
          resolve({ status: response.statusCode!, reason: response.statusMessage!, data })
        })
      })
      sent.on('error', reject)
      sent.end(form && new URLSearchParams(form).toString())
    })
  const task = async (method: string, path: string, form?: Record<string, string>) => {
    const { status, reason, data } = await call(method, path, form)
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${reason}`)
    for (;;) {
      const polled = await call('GET', `/nodes/pve/tasks/${encodeURIComponent(data)}/status`)
      if (polled.data.status === 'stopped') return polled.data.exitstatus as string
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  return Object.assign(call, { task })
}
