import { readFile } from 'node:fs/promises'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { didYouMean } from '../run/nearest.mts'

export interface SchemaFault {
  /** Keys and indices of the wrong value, from the top; empty for the whole document. */
  path: string[]
  /** Sentence that begins with the path: `task_timeout_seconds must be >= 10, not 5`. */
  sentence: string
}

const compiled = new Map<string, Promise<ValidateFunction>>()

/** Lists the faults of `value` by a JSON schema. For an unknown key or value the sentence names the nearest known one. */
export async function schemaFaults(schema: URL, value: unknown): Promise<SchemaFault[]> {
  const validator = compiled.get(schema.href) ?? compile(schema)
  compiled.set(schema.href, validator)
  const validate = await validator
  if (validate(value)) return []
  // Ajv lists the fault of a name twice; the other error has the pattern.
  return (validate.errors ?? []).filter(({ keyword }) => keyword !== 'propertyNames').map(faultOf)
}

/** Compiles a schema. Its result is kept, because compiling takes longer than all checks of a run. */
async function compile(schema: URL): Promise<ValidateFunction> {
  const [{ Ajv }, text] = await Promise.all([import('ajv'), readFile(schema, 'utf8')])
  return new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(JSON.parse(text))
}

function faultOf(error: ErrorObject): SchemaFault {
  const path = pathOf(error)
  if (error.keyword === 'additionalProperties') return unknownKey(path, error)
  if (error.propertyName !== undefined) {
    const named = [...path, error.propertyName]
    return { path: named, sentence: `the name ${named.join('.')} ${error.message}` }
  }
  if (error.keyword === 'enum') return unknownValue(path, error)
  const shown =
    typeof error.data === 'object' && error.data !== null ? '' : `, not ${JSON.stringify(error.data)}`
  return { path, sentence: `${path.join('.') || 'the file'} ${error.message}${shown}` }
}

function unknownValue(path: string[], { params, data }: ErrorObject): SchemaFault {
  const known = (params as { allowedValues: unknown[] }).allowedValues.map(String)
  const given = String(data)
  return {
    path,
    sentence: `${path.join('.')} must be one of ${known.join(', ')}, not ${given}${didYouMean(given, known)}`,
  }
}

/** Parts of the error's JSON pointer. */
function pathOf({ instancePath }: ErrorObject): string[] {
  return instancePath
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function unknownKey(parent: string[], error: ErrorObject): SchemaFault {
  const key = String((error.params as { additionalProperty: string }).additionalProperty)
  const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
  const path = [...parent, key]
  return { path, sentence: `${path.join('.')} is not a known key${didYouMean(key, known)}` }
}

/** Lists a range of VMIDs whose bounds are in the wrong order, as the only fault; empty if they are right. */
export function rangeFaults(key: string, range: [number, number] | undefined): SchemaFault[] {
  if (range === undefined || range[0] <= range[1]) return []
  return [{ path: [key], sentence: `${key} must begin with the smaller VMID: [${range[1]}, ${range[0]}]` }]
}
