import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { SchemaFault } from './schema-faults.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

/** Path of the file, from the project's root; PROXMINT_REGISTRY names another file. */
const SAMPLE = 'config/registry.yaml'

const SCHEMA = new URL('../../../config/registry.schema.json', import.meta.url)

interface RegistryFile {
  url?: string
}

/**
 * Loads the URL of the registry's PostgreSQL database; undefined if the registry is kept in files.
 * PROXMINT_REGISTRY_URL overrides the file.
 * @throws ProxmintError (invalid) for a file that breaks its schema, or that holds a password.
 */
export async function loadRegistryUrl(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const given = env['PROXMINT_REGISTRY_URL']
  if (given !== undefined && given !== '') return requireUrl(given)
  const file = await readOptionalYamlFile<RegistryFile>(
    { variable: 'PROXMINT_REGISTRY', sample: SAMPLE, schema: SCHEMA, moreFaults: passwordFaults },
    env,
  )
  return file.url
}

/** Database of the registry, with its names in messages. */
export function registryDatabase(url: string): { url: string; name: string; setting: string } {
  return { url, name: 'the registry in PostgreSQL', setting: `\`url\` in ${SAMPLE}` }
}

function requireUrl(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url
  throw new ProxmintError('PROXMINT_REGISTRY_URL is not a PostgreSQL URL', {
    hint: 'postgresql://USER@HOST/DATABASE',
    exitCode: exitCodes.invalid,
  })
}

function passwordFaults({ url }: RegistryFile): SchemaFault[] {
  if (url === undefined) return []
  if (!URL.canParse(url)) return [{ path: ['url'], sentence: 'url is not a URL' }]
  const { password, searchParams } = new URL(url)
  if (password === '' && !searchParams.has('password')) return []
  const sentence = 'url holds a password, which everybody with the repository could read; set PGPASSWORD'
  return [{ path: ['url'], sentence }]
}
