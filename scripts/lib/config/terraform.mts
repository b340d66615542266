import { isAbsolute, normalize } from 'node:path'
import type { SchemaFault } from './schema-faults.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

/** A `backend` block of Terraform. */
export interface BackendConfig {
  type: 'local' | 'pg' | 's3' | 'http'
  /** Settings of the backend; `{name}` stands for the VM's name. */
  settings: Record<string, unknown>
}

interface TerraformFile {
  backend?: Partial<Record<BackendConfig['type'], Record<string, unknown>>>
}

/** Path of the file, from the project's root; PROXMINT_TERRAFORM names another file. */
const SAMPLE = 'config/terraform.yaml'

const SCHEMA = new URL('../../../config/terraform.schema.json', import.meta.url)

/** Loads the backend. @throws ProxmintError (invalid) if the file breaks its schema, or gives all VMs the same state. */
export async function loadBackend(env: NodeJS.ProcessEnv = process.env): Promise<BackendConfig> {
  const file = await readOptionalYamlFile<TerraformFile>(
    { variable: 'PROXMINT_TERRAFORM', sample: SAMPLE, schema: SCHEMA, moreFaults: sharedState },
    env,
  )
  const [[type, settings] = ['local', {}]] = Object.entries(file.backend ?? {})
  return { type: type as BackendConfig['type'], settings: settings ?? {} }
}

/** Backend of one VM, with its name filled in. */
export function backendOf({ type, settings }: BackendConfig, name: string): BackendConfig {
  const named = JSON.parse(JSON.stringify(settings), (_, value) =>
    typeof value === 'string' ? value.replaceAll('{name}', name) : value,
  )
  return { type, settings: named }
}

/** Setting that identifies the state, by type of the backend. All others may be the same for every VM. */
const STATE_KEYS = { local: 'path', pg: 'schema_name', s3: 'key', http: 'address' }

function sharedState({ backend = {} }: TerraformFile): SchemaFault[] {
  const [[type, settings] = []] = Object.entries(backend) as [
    BackendConfig['type'],
    Record<string, unknown>,
  ][]
  if (type === undefined) return []
  const key = STATE_KEYS[type]
  const value = String(settings?.[key] ?? '')
  if (value.includes('{name}') || (type === 'local' && isInVmFolder(value))) return []
  return [
    {
      path: ['backend', type],
      sentence: `backend.${type} gives every VM the same state: put {name} into \`${key}\``,
    },
  ]
}

/** Checks whether a path is inside the VM's own folder. */
function isInVmFolder(path: string): boolean {
  return !isAbsolute(path) && !normalize(path).startsWith('..')
}
