/** Shapes of answers, checked before they are used: a proxy or another program may answer in the place of Proxmox VE. */

import { exitCodes, ProxmintError } from '../run/errors.mts'

type Kind = 'string' | 'number'

/** Keys that an answer must have, with their types; a number may come as text. */
type Keys<T> = { [K in keyof T]?: Kind }

/** @param what Names the request: `GET /version`. @throws ProxmintError (invalid) If the answer is not such an object. */
export async function objectOf<T extends object>(
  what: string,
  answer: Promise<T>,
  keys: Keys<T> = {},
): Promise<T> {
  const data: unknown = await answer
  if (!isObject(data, keys)) throw unexpected(what, data, `an object${withKeys(keys)}`)
  return data as T
}

/** @throws ProxmintError (invalid) If the answer is not a list of such objects. */
export async function listOf<T extends object>(
  what: string,
  answer: Promise<T[]>,
  keys: Keys<T> = {},
): Promise<T[]> {
  const data: unknown = await answer
  const wrong = Array.isArray(data) ? data.find(one => !isObject(one, keys)) : data
  if (!Array.isArray(data) || wrong !== undefined)
    throw unexpected(what, wrong, `a list of objects${withKeys(keys)}`)
  return data as T[]
}

/** Text, such as the id of a task. @throws ProxmintError (invalid) If the answer is something else. */
export async function textOf(what: string, answer: Promise<string>): Promise<string> {
  const data: unknown = await answer
  if (typeof data !== 'string' || data === '') throw unexpected(what, data, 'a text')
  return data
}

function isObject(data: unknown, keys: object): boolean {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return false
  return Object.entries(keys).every(([key, kind]) => {
    const value = (data as Record<string, unknown>)[key]
    return kind === 'string' ? typeof value === 'string' : typeof value !== 'boolean' && isNumeric(value)
  })
}

function isNumeric(value: unknown): boolean {
  return (
    (typeof value === 'number' || typeof value === 'string') && value !== '' && !Number.isNaN(Number(value))
  )
}

function withKeys(keys: object): string {
  const names = Object.keys(keys)
  return names.length === 0 ? '' : ` with ${names.join(', ')}`
}

function unexpected(what: string, data: unknown, expected: string): ProxmintError {
  return new ProxmintError(`${what}: the answer is not what Proxmox VE gives`, {
    facts: { expected, answer: String(JSON.stringify(data)).slice(0, 200) },
    hint: 'check that proxmox_url names a node and no proxy or other program in front of it',
    exitCode: exitCodes.invalid,
  })
}
