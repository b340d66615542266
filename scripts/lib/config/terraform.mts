import { isAbsolute, normalize } from 'node:path'
import type { SchemaFault } from './schema-faults.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

/** A `backend` block of Terraform. */
export interface BackendConfig {
  type: 'local' | 'pg' | 's3' | 'http'
  /** With `{name}` where the VM's name is to stand. */
  settings: Record<string, unknown>
}

interface TerraformFile {
  backend?: Partial<Record<BackendConfig['type'], Record<string, unknown>>>
}

/** Where the backend is configured, from the project's root; PROXMINT_TERRAFORM names another file. */
const SAMPLE = 'config/terraform.yaml'

const schema = new URL('../../../config/terraform.schema.json', import.meta.url)

/** @throws ProxmintError (invalid) for a file that breaks its schema, or gives all VMs one state. */
export async function loadBackend(env: NodeJS.ProcessEnv = process.env): Promise<BackendConfig> {
  const file = await readOptionalYamlFile<TerraformFile>(
    { variable: 'PROXMINT_TERRAFORM', sample: SAMPLE, schema, moreFaults: sharedState },
    env,
  )
  const [[type, settings] = ['local', {}]] = Object.entries(file.backend ?? {})
  return { type: type as BackendConfig['type'], settings: settings ?? {} }
}

/** The backend of one VM. */
export function backendOf({ type, settings }: BackendConfig, name: string): BackendConfig {
  const named = JSON.parse(JSON.stringify(settings), (_, value) =>
    typeof value === 'string' ? value.replaceAll('{name}', name) : value,
  )
  return { type, settings: named }
}

/** The setting that says which state it is; all others may be the same for every VM. */
const decisive = { local: 'path', pg: 'schema_name', s3: 'key', http: 'address' }

function sharedState({ backend = {} }: TerraformFile): SchemaFault[] {
  const [[type, settings] = []] = Object.entries(backend) as [
    BackendConfig['type'],
    Record<string, unknown>,
  ][]
  if (type === undefined) return []
  const key = decisive[type]
  const value = String(settings?.[key] ?? '')
  if (value.includes('{name}') || (type === 'local' && isInVmFolder(value))) return []
  return [
    {
      path: ['backend', type],
      sentence: `backend.${type} gives every VM the same state: put {name} into \`${key}\``,
    },
  ]
}

/** Each VM has a folder of its own. */
function isInVmFolder(path: string): boolean {
  return !isAbsolute(path) && !normalize(path).startsWith('..')
}
