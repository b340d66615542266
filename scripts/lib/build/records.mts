/** Records that a build passes on: options, then the run, then the build of one family, its copies and the result. */
import type { AcceptanceReport } from '../acceptance/accept-template.mts'
import type { Firmware } from '../config/firmware.mts'
import type { Family, Place } from '../packer/family.mts'
import type { InputDigests } from '../packer/input-digest.mts'
import type { Template } from '../packer/template.mts'
import type { Connection } from '../site/connect.mts'
import type { Reservation } from '../templates/reservations.mts'
import type { FamilyVersions, TemplateCopy, TemplateVersion, TestResult } from '../templates/version.mts'
import type { Dialect, Tool } from '../tools/tool.mts'

/** Request of a person or a schedule. */
export interface BuildOptions {
  /** Names of template families; empty: all of them. */
  families: string[]
  /** Further Packer variables, from `--var`. */
  variables: Record<string, string>
  /** Stops after the rules, the permissions and `packer validate`. */
  validateOnly: boolean
  /** Stops after the rules and the permissions, and prints the commands. */
  dryRun: boolean
  /** Skips a family whose inputs are those of its current version. */
  ifChanged: boolean
  /** With `ifChanged`: builds anyway if the current version is older. In milliseconds. */
  maxAgeMs: number | undefined
  /** Whether the new version becomes current at once. */
  promote: boolean
  /** Whether the acceptance test is run. A version that was not tested stays a candidate. */
  test: boolean
  /** Number of versions of each family to keep after the build; undefined: nothing is pruned. */
  keep: number | undefined
  /** Number of families that are built at the same time. */
  parallel: number
}

/** One run of `build`, shared by all its families. */
export interface BuildRun {
  options: BuildOptions
  connection: Connection
  packer: Tool & { dialect: Dialect }
  /** Templates by family, checked without Proxmox, or the reason why one cannot be built. */
  checked: ReadonlyMap<string, PromiseSettledResult<Template>>
  /** Interrupts all builds. */
  signal: AbortSignal
  /** Waits until node and storage have room for another build. */
  atPlace<T>(place: Place, work: () => Promise<T>): Promise<T>
}

/** Build of one family, checked and ready for Packer. */
export interface Build extends BuildRun {
  os: string
  /** Name of the new version and of its VM templates. */
  name: string
  template: Template
  family: Family
  /** Versions before this build. */
  known: FamilyVersions
  /** One copy is built at each. */
  places: Place[]
  /** Values of Packer variables, without those that are handed over. */
  variables: Record<string, string>
  /** VMID that the family's own variable asks for. */
  pinnedVmid: number | undefined
  image: TemplateVersion['image']
  firmware: Firmware
  digests: InputDigests
  /** Folder that Packer runs in. */
  folder: string
  /** Changes to the template in that folder, made for the packaged Packer. */
  changes: string[]
}

/** Finished VM template. Until its version is recorded, only its reservation names it. */
export interface BuiltCopy {
  copy: TemplateCopy
  reservation: Reservation
  /** File of Packer's log. */
  log: string
  /** Undefined without a test. */
  report: AcceptanceReport | undefined
}

/** Outcome of one family's build; `--json` prints it. */
export interface BuildResult {
  os: string
  /** Name of the version that was built or, if none was, would be. */
  name: string
  /** Node of the first copy. */
  node: string
  packer: { version: string; dialect: Dialect; file: string }
  /** Changes to the template in the copy for the packaged Packer. */
  changes: string[]
  /** Commands that a dry run leaves out. */
  commands: string[]
  /** With `ifChanged`: why nothing was built, or why something was. */
  reason: string | undefined
  /** Undefined if nothing was built. */
  template: BuiltVersion | undefined
  seconds: number
}

/** Version that was built and recorded. */
export interface BuiltVersion {
  /** VMID of the first copy. */
  vmid: number
  /** File of Packer's log of the first copy. */
  log: string
  copies: TemplateCopy[]
  channel: 'current' | 'candidate'
  test: TestResult | null
}

/** Result of a family's build, or its error. */
export type BuildOutcome = { os: string; result: BuildResult } | { os: string; error: unknown }
