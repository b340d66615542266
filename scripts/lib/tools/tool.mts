import type { InstallMethod, ToolName } from './pins.mts'

/** `modern` reads today's templates as they are; `packaged` is Packer 1.6 with proxmox-clone built in. */
export type Dialect = 'modern' | 'packaged'

/** A tool that was run and found usable. */
export interface Tool {
  name: ToolName
  /** The program to run; of the provider, the file in its mirror. */
  file: string
  version: string
  /** `path` is wherever the user has it; `system` is the distribution's package. */
  origin: 'path' | InstallMethod
  /** Packer only. */
  dialect?: Dialect
  /** Version of its proxmox plugin; a packaged Packer has none. Packer only. */
  plugin?: string
  /** What its processes need besides the user's environment. */
  env?: Record<string, string>
}

/** A program that might be the tool. */
export interface Candidate {
  tool: ToolName
  /** Name of the program; one tool may go by several (`tofu`, `terraform`). */
  program: string
  file: string
  env?: Record<string, string>
}

/** What trying a candidate showed. */
export type Usability =
  | { usable: true; version: string; dialect?: Dialect; plugin?: string }
  | { usable: false; version?: string; reason: string }

/** A program that was found and will not do, in words: `/usr/bin/sops 3.7.1: older than 3.9.0`. */
export type Rejection = string
