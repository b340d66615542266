import { readFileSync } from 'node:fs'

export type ToolName = 'packer' | 'sops' | 'age' | 'opentofu' | 'proxmox-provider'
/** Ways to install a missing tool: its official release, a build with Go, the distribution's package. */
export type InstallMethod = 'release' | 'go' | 'system'
type Purpose = 'demo' | 'test'

/** One tool in tools/pins.json. */
export interface Pin {
  /** Version to install if no usable one is found. */
  version: string
  /** Programs of an installation, in one folder; the first is the tool itself. */
  programs: string[]
  /** Program name on PATH -> oldest usable version. The first usable program wins. */
  minimum: Record<string, string>
  /** Methods in the order in which they are tried. */
  install: InstallMethod[]
  neededFor: Purpose[]
}

/** Packer's proxmox plugin: version to install and oldest usable version. */
interface PluginPin {
  source: string
  version: string
  minimum: string
}

interface Pins {
  tools: Record<ToolName, Pin> & { packer: { plugin: PluginPin } }
}

/** Folder `tools` of the repository. */
export const TOOLS_FOLDER = new URL('../../../tools/', import.meta.url)

export const pins = JSON.parse(readFileSync(new URL('pins.json', TOOLS_FOLDER), 'utf8')) as Pins

export const toolNames = Object.keys(pins.tools) as ToolName[]
