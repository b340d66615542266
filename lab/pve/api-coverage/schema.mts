/**
 * Proxmox's own description of its API: `apidata.json` of pve-docs. Its licence does not go with the project's, so
 * it is read where somebody has it and never kept.
 */

import { readFile } from 'node:fs/promises'
import type { Route } from '../core/route.mts'

/** As Proxmox writes it: JSON Schema of an early draft, flags as 0 and 1. */
export interface ApiType {
  type?: string
  optional?: 0 | 1
  properties?: Record<string, ApiType>
  items?: ApiType
  enum?: unknown[]
  /** Some are texts. */
  minimum?: number | string
  maximum?: number | string
  additionalProperties?: 0 | 1
}

export interface ApiOperation {
  /** 0 where it refuses API tokens. */
  allowtoken?: 0 | 1
  parameters?: ApiType
  permissions?: { check?: unknown[]; user?: string }
  returns?: ApiType
}

/** By `METHOD /path/{parameter}`. */
export type ApiSchema = Map<string, ApiOperation>

interface ApiNode {
  path: string
  info?: Record<string, ApiOperation>
  children?: ApiNode[]
}

function collect(nodes: ApiNode[], into: ApiSchema): ApiSchema {
  for (const node of nodes) {
    for (const [method, operation] of Object.entries(node.info ?? {}))
      into.set(`${method} ${node.path}`, operation)
    collect(node.children ?? [], into)
  }
  return into
}

/** @throws where the file cannot be read or is no `apidata.json`. */
export async function loadApiSchema(file: string): Promise<ApiSchema> {
  const nodes: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (!Array.isArray(nodes)) throw new Error(`${file} holds no list of paths, as Proxmox's apidata.json does`)
  return collect(nodes as ApiNode[], new Map())
}

/** A route's name in the schema, which does not know that a last part may take several segments. */
export function operationOf({ method, path }: Route): string {
  return `${method} ${path.replace('*}', '}')}`
}

/** An operation the lab has. */
export interface Covered {
  /** `METHOD /path/{parameter}`. */
  operation: string
  /** Names of the parameters it takes. */
  parameters: string[]
}

export function coveredBy(route: Route): Covered {
  return {
    operation: operationOf(route),
    parameters: Object.keys(route.parameters),
  }
}
