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
export const terraformFile = 'config/terraform.yaml'

const schema = new URL('../../../config/terraform.schema.json', import.meta.url)

/** @throws ProxmintError (invalid) for a file that breaks its schema, or gives all VMs one state. */
export async function loadBackend(env: NodeJS.ProcessEnv = process.env): Promise<BackendConfig> {
  const file = await readOptionalYamlFile<TerraformFile>(
    { variable: 'PROXMINT_TERRAFORM', sample: terraformFile, schema, moreFaults: sharedState },
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

function sharedState({ backend = {} }: TerraformFile): SchemaFault[] {
  const [[type, settings] = []] = Object.entries(backend)
  if (type === undefined || type === 'local' || JSON.stringify(settings).includes('{name}')) return []
  const sentence = `backend.${type} gives every VM the same state: put {name} into one of its settings`
  return [{ path: ['backend', type], sentence }]
}
