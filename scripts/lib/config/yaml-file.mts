import { readFile } from 'node:fs/promises'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { type SchemaFault, schemaFaults } from './schema-faults.mts'
import { lineFinder } from './yaml-lines.mts'

interface YamlFile<T> {
  path: string
  /** The commented file of the repository that shows how it is to look: `config/proxmint.yaml`. */
  sample: string
  schema: URL
  /** What a JSON schema cannot say; asked only of a file that follows it. */
  moreFaults(value: T): SchemaFault[]
}

/**
 * Reads a YAML file that a person edits. An empty file counts as one without keys.
 * @throws ProxmintError (invalid) that lists every fault with its line; with a cause of code ENOENT where there is
 * no such file.
 */
export async function readYamlFile<T extends object>({
  path,
  sample,
  schema,
  moreFaults,
}: YamlFile<T>): Promise<T> {
  const [{ LineCounter, parseDocument }, text] = await Promise.all([import('yaml'), readText(path)])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [syntaxError] = document.errors
  if (syntaxError !== undefined) {
    throw invalidFile(path, sample, [
      `line ${lines.linePos(syntaxError.pos[0]).line}: ${syntaxError.message}`,
    ])
  }
  const value: unknown = document.toJS() ?? {}
  const broken = await schemaFaults(schema, value)
  const faults = broken.length > 0 ? broken : moreFaults(value as T)
  if (faults.length === 0) return value as T
  const lineOf = await lineFinder(document, lines)
  throw invalidFile(
    path,
    sample,
    faults.map(fault => `line ${lineOf(fault.path)}: ${fault.sentence}`),
  )
}

/**
 * Reads a file that need not be there: without it there are the defaults. One that is named by its variable must be.
 * @param variable the environment variable that names another file than the sample's own.
 * @throws ProxmintError (invalid), as `readYamlFile`.
 */
export async function readOptionalYamlFile<T extends object>(
  { variable, ...file }: Omit<YamlFile<T>, 'path'> & { variable: string },
  env: NodeJS.ProcessEnv,
): Promise<Partial<T>> {
  const given = env[variable]
  return readYamlFile<T>({ ...file, path: given ?? file.sample }).catch((error): Partial<T> => {
    if (given === undefined && codeOf(error) === 'ENOENT') return {}
    throw error
  })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new ProxmintError(`cannot read the config ${path}: ${codeOf(cause) ?? String(cause)}`, {
      hint: "run from the project's root, or name the file in PROXMINT_CONFIG",
      cause,
      exitCode: exitCodes.invalid,
    })
  }
}

function invalidFile(path: string, sample: string, faults: string[]): ProxmintError {
  return new ProxmintError(`${path} is invalid:\n${faults.map(fault => `  - ${fault}`).join('\n')}`, {
    hint: `${sample} in the repository is commented: every key, its meaning and default`,
    exitCode: exitCodes.invalid,
  })
}
