/** A client that reads answers and fails where the request did. */

import { formOf, type Headers, send } from '../client.mts'

export interface Api {
  /** Resolves to `data` of the answer. @throws Error with status and reason where it is not a success. */
  request<T>(method: string, path: string, parameters?: Parameters): Promise<T>
}

export interface Place {
  url: string
  caFile: string
}

/** True is sent as 1 and false as 0. */
type Parameters = Record<string, string | number | boolean>

export function apiOf(place: Place, logIn: () => Promise<Headers>): Api {
  return {
    async request(method, path, parameters = {}) {
      const entries = Object.entries(parameters).map(([key, value]) => [
        key,
        typeof value === 'boolean' ? Number(value) : value,
      ])
      const form = formOf(Object.fromEntries(entries))
      const isBody = method === 'POST' || method === 'PUT'
      const target = isBody || form === '' ? path : `${path}?${form}`
      const headers = { 'content-type': 'application/x-www-form-urlencoded', ...(await logIn()) }
      const { status, reason, data } = await send(place, method, target, isBody ? form : '', headers)
      if (status !== 200) throw new Error(`${method} ${path}: ${status} ${reason}`)
      return data
    },
  }
}
