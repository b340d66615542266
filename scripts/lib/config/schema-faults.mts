import { readFile } from 'node:fs/promises'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { didYouMean } from '../run/nearest.mts'

export interface SchemaFault {
  /** Keys and indices from the top to what is wrong; empty for the whole document. */
  path: string[]
  /** Begins with the path: `task_timeout_seconds must be >= 10, not 5`. */
  sentence: string
}

const compiled = new Map<string, Promise<ValidateFunction>>()

/** Lists what `value` breaks in the JSON schema, with the nearest known key where one is unknown. */
export async function schemaFaults(schema: URL, value: unknown): Promise<SchemaFault[]> {
  const validator = compiled.get(schema.href) ?? compile(schema)
  compiled.set(schema.href, validator)
  const validate = await validator
  if (validate(value)) return []
  // A name's own fault stands there already, with the pattern it breaks.
  return (validate.errors ?? []).filter(({ keyword }) => keyword !== 'propertyNames').map(faultOf)
}

/** Compiling takes longer than all checks of a run, and a schema is part of the code. */
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

/** A JSON pointer taken apart. */
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
  return { path, sentence: `${path.join('.')} is no known key${didYouMean(key, known)}` }
}
