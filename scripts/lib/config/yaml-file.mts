import { readFile, stat } from 'node:fs/promises'
import type { Document, LineCounter, Node } from 'yaml'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { type SchemaFault, schemaFaults } from './schema-faults.mts'
import { yamlFaults } from './yaml-faults.mts'

interface YamlFile<T> {
  path: string
  /** Commented sample in the repository: `config/proxmint.yaml`. */
  sample: string
  schema: URL
  /** Faults that a JSON schema cannot express. Called only for a value that follows the schema. */
  moreFaults(value: T): SchemaFault[]
}

/** Bytes. Nothing else happens in the process while a file is read: it does not even end on SIGTERM. */
const LARGEST_FILE = 1024 * 1024
const MOST_FAULTS = 50

/**
 * Reads a YAML file that people edit. An empty file has no keys.
 * @throws ProxmintError (invalid) that lists every fault with its line; with a cause of code ENOENT if the file is missing.
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
  if (document.errors.length > 0) throw invalidFile(path, sample, await yamlFaults(document, lines))
  const value = plainValue(document, path, sample)
  const broken = await schemaFaults(schema, value)
  const faults = broken.length > 0 ? broken : moreFaults(value as T)
  if (faults.length === 0) return value as T
  const lineOf = await lineFinder(document, lines)
  throw invalidFile(path, sample, [
    ...faults.slice(0, MOST_FAULTS).map(fault => `line ${lineOf(fault.path)}: ${fault.sentence}`),
    ...(faults.length > MOST_FAULTS ? [`and ${faults.length - MOST_FAULTS} more`] : []),
  ])
}

/** @throws ProxmintError (invalid) If aliases (`*name`) would blow the file up. */
function plainValue(document: Document, path: string, sample: string): unknown {
  try {
    return document.toJS() ?? {}
  } catch (cause) {
    throw invalidFile(path, sample, [messageOf(cause)])
  }
}

/**
 * Reads an optional file; a missing one has no keys. If its environment variable names a file, that one must exist.
 * @param variable the environment variable that names another file than the sample.
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

/**
 * Finds the line, from 1, of a path in a YAML document: of the key if the path ends with one.
 * @param lines the counter with which the document was parsed.
 */
async function lineFinder(document: Document, lines: LineCounter): Promise<(path: string[]) => number> {
  const { isMap } = await import('yaml')
  return path => {
    const parent = document.getIn(path.slice(0, -1), true)
    const pair = isMap(parent) && parent.items.find(({ key }) => String(key) === path.at(-1))
    const node = (pair ? pair.key : document.getIn(path, true)) as Node | undefined
    return lines.linePos(node?.range?.[0] ?? 0).line
  }
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > LARGEST_FILE) throw tooLarge(path, size)
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof ProxmintError) throw cause
    throw new ProxmintError(`cannot read the config ${path}: ${codeOf(cause) ?? String(cause)}`, {
      hint: "run from the project's root, or name the file in PROXMINT_CONFIG",
      cause,
      exitCode: exitCodes.invalid,
    })
  }
}

function tooLarge(path: string, bytes: number): ProxmintError {
  return new ProxmintError(`${path} has ${bytes} bytes; the limit is ${LARGEST_FILE}`, {
    hint: 'split it into several files, or check that it is the right one',
    exitCode: exitCodes.invalid,
  })
}

function invalidFile(path: string, sample: string, faults: string[]): ProxmintError {
  return new ProxmintError(`${path} is invalid:\n${faults.map(fault => `  - ${fault}`).join('\n')}`, {
    hint: `${sample} in the repository explains every key and its default`,
    exitCode: exitCodes.invalid,
  })
}
