import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { SchemaFault } from './schema-faults.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

/** Where the registry's place is configured, from the project's root; PROXMINT_REGISTRY names another file. */
const REGISTRY_FILE = 'config/registry.yaml'

const schema = new URL('../../../config/registry.schema.json', import.meta.url)

interface RegistryFile {
  url?: string
}

/**
 * The URL of the registry's PostgreSQL database; undefined where it is kept in files. PROXMINT_REGISTRY_URL wins
 * over the file.
 * @throws ProxmintError (invalid) for a file that breaks its schema, or that holds a password.
 */
export async function loadRegistryUrl(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const given = env['PROXMINT_REGISTRY_URL']
  if (given !== undefined && given !== '') return requireUrl(given)
  const file = await readOptionalYamlFile<RegistryFile>(
    { variable: 'PROXMINT_REGISTRY', sample: REGISTRY_FILE, schema, moreFaults: passwordFaults },
    env,
  )
  return file.url
}

/** The registry's database as messages name it, with the setting that says where it is. */
export function registryDatabase(url: string): { url: string; name: string; setting: string } {
  return { url, name: 'the registry in PostgreSQL', setting: `\`url\` in ${REGISTRY_FILE}` }
}

function requireUrl(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url
  throw new ProxmintError('PROXMINT_REGISTRY_URL is no PostgreSQL URL', {
    hint: 'postgresql://USER@HOST/DATABASE',
    exitCode: exitCodes.invalid,
  })
}

function passwordFaults({ url }: RegistryFile): SchemaFault[] {
  if (url === undefined) return []
  if (!URL.canParse(url)) return [{ path: ['url'], sentence: 'url is no URL' }]
  const { password, searchParams } = new URL(url)
  if (password === '' && !searchParams.has('password')) return []
  const sentence = 'url holds a password, which everybody who has the repository would know; set PGPASSWORD'
  return [{ path: ['url'], sentence }]
}
