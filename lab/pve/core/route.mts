/** An operation of the API, declared as data: where it is, who may call it, what it takes, what it does. */

import type { Method } from './method.mts'
import type { Parameters, RawParameters, Values } from './parameters.mts'
import type { Caller, Permission } from './permission.mts'
import type { MajorVersion } from './privileges.mts'
import type { Pve } from './pve.mts'

/** A file that came in a multipart body. */
export interface Upload {
  /** Temporary; whoever keeps the file moves it away. */
  path: string
  /** As the client named it. */
  filename: string
}

export interface Call<P> {
  pve: Pve
  caller: Caller
  params: P
  /** The file of a multipart body. */
  upload: Upload | undefined
  /** As sent, before conversion; config writers keep the client's texts. */
  raw: RawParameters
}

/** An object of an answer, with Proxmox's own keys. */
export type ApiObject = Record<string, unknown>

/** `extra` stands beside `data` in the answer, as `total` does in a task's log. */
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
  /** `/nodes/{node}/qemu/{vmid}`; a last part `{volume*}` takes the rest of the path. */
  path: string
  permission: Permission | Record<MajorVersion, Permission>
  parameters: Parameters
  /** False where Proxmox wants a person's ticket, as for passwords. */
  allowToken?: boolean
  handle(call: Call<never>): unknown
}

/** Gives a handler the types its parameters have. */
export function route<const S extends Parameters>(definition: {
  method: Method
  path: string
  permission: Permission | Record<MajorVersion, Permission>
  parameters: S
  allowToken?: boolean
  handle(call: Call<Values<S>>): unknown
}): Route {
  return definition as unknown as Route
}

export function permissionOf(definition: Route, version: MajorVersion): Permission {
  return 'kind' in definition.permission ? definition.permission : definition.permission[version]
}
