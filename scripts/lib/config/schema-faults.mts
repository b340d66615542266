import { readFile } from 'node:fs/promises'
import type { ErrorObject } from 'ajv'
import { nearest } from '../run/nearest.mts'

/** What `value` breaks in the JSON schema, one sentence each: the path, what is wrong, the nearest known key. */
export async function schemaFaults(schema: URL, value: unknown): Promise<string[]> {
  const { Ajv } = await import('ajv')
  const validate = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(
    JSON.parse(await readFile(schema, 'utf8')) as object,
  )
  return validate(value) ? [] : (validate.errors ?? []).map(sentence)
}

function sentence(error: ErrorObject): string {
  const path = error.instancePath.replace(/^\//, '').replaceAll('/', '.')
  if (error.keyword === 'additionalProperties') return unknownKey(path, error)
  const shown = typeof error.data === 'object' ? '' : `, not \`${error.data}\``
  return `${path === '' ? 'the file' : path} ${error.message}${shown}`
}

function unknownKey(path: string, error: ErrorObject): string {
  const key = String((error.params as { additionalProperty: string }).additionalProperty)
  const known = nearest(key, Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {}))
  const where = path === '' ? key : `${path}.${key}`
  return `${where} is no known key${known === undefined ? '' : `; did you mean ${known}?`}`
}
