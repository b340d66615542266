import type { InstallMethod, ToolName } from './pins.mts'

/** Kind of Packer. `modern` reads the templates as they are; `packaged` is Packer 1.6 with a built-in proxmox-clone. */
export type Dialect = 'modern' | 'packaged'

/** Tool that was run and is usable. */
export interface Tool {
  name: ToolName
  /** Program to run; for the provider, the file in its mirror. */
  file: string
  version: string
  /** `path`: installed by the user; `system`: the distribution's package. */
  origin: 'path' | InstallMethod
  /** Only for Packer. */
  dialect?: Dialect
  /** Version of the proxmox plugin of a modern Packer. */
  plugin?: string
  /** Variables that its processes need besides the user's environment. */
  env?: Record<string, string>
}

/**
 * Method to install a tool.
 * @throws ProxmintError If this method is not possible or failed; the next one is tried then.
 */
export type Installer = (name: ToolName, signal: AbortSignal) => Promise<void>

/** Program that may be the tool. */
export interface Candidate {
  tool: ToolName
  /** Name of the program; a tool may have several (`tofu`, `terraform`). */
  program: string
  file: string
  env?: Record<string, string>
}

/** Result of a candidate's test. */
export type Usability =
  | { usable: true; version: string; dialect?: Dialect; plugin?: string }
  | { usable: false; version?: string; reason: string }

/** Sentence about an unusable program: `/usr/bin/sops 3.7.1: older than 3.9.0`. */
export type Rejection = string
