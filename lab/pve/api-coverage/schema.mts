/**
 * Reads Proxmox's own description of its API: `apidata.json` of pve-docs. Its licence does not fit this project's, so
 * the repository does not contain it.
 */

import { readFile } from 'node:fs/promises'
import type { Route } from '../core/route.mts'

/** Type in Proxmox's format: JSON Schema of an early draft, with 0 and 1 for flags. */
export interface ApiType {
  type?: string
  optional?: 0 | 1
  properties?: Record<string, ApiType>
  items?: ApiType
  enum?: unknown[]
  /** Number; some are texts. */
  minimum?: number | string
  maximum?: number | string
  additionalProperties?: 0 | 1
}

interface ApiOperation {
  /** 0: the operation refuses API tokens. */
  allowtoken?: 0 | 1
  parameters?: ApiType
  permissions?: { check?: unknown[]; user?: string }
  returns?: ApiType
}

/** Operations by `METHOD /path/{parameter}`. */
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

/** @throws {Error} if the file cannot be read or is not an `apidata.json`. */
export async function loadApiSchema(file: string): Promise<ApiSchema> {
  const nodes: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (!Array.isArray(nodes)) throw new Error(`${file} is not a list of paths like Proxmox's apidata.json`)
  return collect(nodes as ApiNode[], new Map())
}

/** Returns a route's name in the schema. The schema has no `*` for a last part of several segments. */
export function operationOf({ method, path }: Route): string {
  return `${method} ${path.replace('*}', '}')}`
}

/** Operation that the lab has. */
export interface Covered {
  /** `METHOD /path/{parameter}`. */
  operation: string
  /** Names of its parameters. */
  parameters: string[]
}

export function coveredBy(route: Route): Covered {
  return {
    operation: operationOf(route),
    parameters: Object.keys(route.parameters),
  }
}
