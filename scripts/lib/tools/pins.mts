import { readFileSync } from 'node:fs'

export type ToolName = 'packer' | 'sops' | 'age' | 'opentofu' | 'proxmox-provider'
/** How a missing tool is had: its official release, a build from the Go module proxy, the distribution. */
export type InstallMethod = 'release' | 'go' | 'system'
type Purpose = 'demo' | 'test'

/** One tool in tools/pins.json. */
export interface Pin {
  /** What is installed where nothing usable is found. */
  version: string
  /** What an installation of it consists of, found in one folder. */
  programs: string[]
  /** Program name on PATH -> oldest version that will do. The first program found usable wins. */
  minimum: Record<string, string>
  /** Tried in this order. */
  install: InstallMethod[]
  neededFor: Purpose[]
}

/** Packer's proxmox plugin: pinned and oldest usable version. */
interface PluginPin {
  source: string
  version: string
  minimum: string
}

interface Pins {
  /** The npm package of mise, which downloads and verifies releases. */
  mise: { package: string; version: string }
  tools: Record<ToolName, Pin> & { packer: { plugin: PluginPin } }
}

/** The repository's `tools` folder. */
export const toolsFolder = new URL('../../../tools/', import.meta.url)

export const pins = JSON.parse(readFileSync(new URL('pins.json', toolsFolder), 'utf8')) as Pins

export const toolNames = Object.keys(pins.tools) as ToolName[]
