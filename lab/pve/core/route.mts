/** An operation of the API as data: method, path, permission, parameters and handler. */

import type { Method, Parameters, RawParameters, Values } from './parameters.mts'
import type { Caller, Permission } from './permission.mts'
import type { MajorVersion } from './privileges.mts'
import type { Pve } from './pve.mts'

/** File of a multipart body. */
export interface Upload {
  /** Path of a temporary file. A handler that keeps it must move it. */
  path: string
  /** Name that the client sent. */
  filename: string
}

export interface Call<P> {
  pve: Pve
  caller: Caller
  params: P
  upload: Upload | undefined
  /** Parameters before conversion: a VM's config keeps the client's texts. */
  raw: RawParameters
}

/** Object of an answer, with Proxmox's own keys. */
export type ApiObject = Record<string, unknown>

/** Answer with keys beside `data`, such as `total` of a task's log. */
export class Answer {
  readonly data: unknown
  readonly extra: Record<string, unknown>

  constructor(data: unknown, extra: Record<string, unknown>) {
    this.data = data
    this.extra = extra
  }
}

export interface Route {
  method: Method
  /** `/nodes/{node}/qemu/{vmid}`. A last part `{volume*}` matches the rest of the path. */
  path: string
  permission: Permission | Record<MajorVersion, Permission>
  parameters: Parameters
  /** False: the operation requires a ticket and refuses API tokens, as for passwords. */
  allowToken?: boolean
  /** True: parameters that the schema does not name are ignored, since it does not forbid them. */
  acceptsMore?: boolean
  handle(call: Call<never>): unknown
}

/** Declares a route. The handler's parameters get the types of the schema. */
export function route<const S extends Parameters>(definition: {
  method: Method
  path: string
  permission: Permission | Record<MajorVersion, Permission>
  parameters: S
  allowToken?: boolean
  acceptsMore?: boolean
  handle(call: Call<Values<S>>): unknown
}): Route {
  return definition as unknown as Route
}

export function permissionOf(definition: Route, version: MajorVersion): Permission {
  return 'kind' in definition.permission ? definition.permission : definition.permission[version]
}
