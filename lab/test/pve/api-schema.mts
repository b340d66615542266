import { existsSync } from 'node:fs'
import { type ApiSchema, loadApiSchema } from '../../pve/api-coverage/schema.mts'

const root = new URL('../../../', import.meta.url)
const file = process.env['PROXMINT_APIDATA'] ?? new URL('../shared/pve/apidata.json', root).pathname

/** Proxmox's own API schema where it is at hand: PROXMINT_APIDATA, or beside the project. */
export async function findApiSchema(): Promise<ApiSchema | undefined> {
  if (existsSync(file)) return loadApiSchema(file)
  console.warn(`SKIPPED: no Proxmox API schema at ${file}; set PROXMINT_APIDATA to its apidata.json`)
  return undefined
}
