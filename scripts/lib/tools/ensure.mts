import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { interrupted, ProxmintError } from '../run/errors.mts'
import { cacheFolder, discardEntry, readEntry } from './cache.mts'
import { searchTool } from './find.mts'
import { buildWithGo } from './go-build.mts'
import { type InstallMethod, type Pin, pins, type ToolName } from './pins.mts'
import { officialReleases } from './release.mts'
import { installFromDistribution } from './system-packages.mts'
import type { Installer, Tool } from './tool.mts'

export interface EnsureOptions {
  signal: AbortSignal
  /** Receives one sentence for each unusable program and each method that failed. */
  onNote: (sentence: string) => void
  /** File of recorded hashes. Default: tools/checksums.json. */
  checksums?: string
}

type Methods = Record<InstallMethod, Installer>

export interface Obtained {
  tools: Tool[]
  /** Name of a missing tool -> the failed attempts, separated by semicolons. */
  failures: Partial<Record<ToolName, string>>
}

/** Finds or installs each tool. tools/pins.json has the order of the methods. */
export async function obtainTools(names: ToolName[], options: EnsureOptions): Promise<Obtained> {
  const methods = {
    release: officialReleases(options.checksums),
    go: buildWithGo,
    system: installFromDistribution,
  }
  const obtained: Obtained = { tools: [], failures: {} }
  for (const name of names) {
    const outcome = await ensureTool(name, methods, options)
    if (Array.isArray(outcome)) obtained.failures[name] = outcome.join('; ')
    else obtained.tools.push(outcome)
  }
  return obtained
}

/** Finds or installs one tool. @returns The tool, or the reason of each failed attempt. */
async function ensureTool(
  name: ToolName,
  methods: Methods,
  options: EnsureOptions,
): Promise<Tool | string[]> {
  const cached = await readEntry(name, pins.tools[name].version)
  const { tool, rejected } = await searchTool(name)
  if (tool !== undefined && (tool.dialect !== 'packaged' || (await upgradeFailedLately(name)))) return tool
  // The search rejected the entry, so it does not work.
  if (cached !== undefined) await discardEntry(name, cached.version)
  for (const sentence of rejected) options.onNote(`${name}: ${sentence}`)
  const reasons = [...rejected]
  let best = tool
  for (const way of waysToInstall(name, tool)) {
    const installed = await tryMethod(name, methods[way], options, reasons)
    if (installed === undefined) continue
    best = installed
    break
  }
  if (best?.dialect === 'packaged') await rememberFailedUpgrade(name, reasons.join('; '))
  return best ?? reasons
}

/** Methods to try. The distribution's package is not one of them if it is already installed. */
export function waysToInstall(name: ToolName, found: Tool | undefined): InstallMethod[] {
  const pin: Pin = pins.tools[name]
  return found === undefined ? pin.install : pin.install.filter(way => way !== 'system')
}

async function tryMethod(
  name: ToolName,
  method: Installer,
  { signal, onNote }: EnsureOptions,
  reasons: string[],
): Promise<Tool | undefined> {
  try {
    await method(name, signal)
  } catch (error) {
    if (signal.aborted) throw interrupted(`setting up ${name}`)
    if (!(error instanceof ProxmintError)) throw error
    reasons.push(error.message)
    onNote(`${name}: ${error.message}`)
    return undefined
  }
  const { tool, rejected } = await searchTool(name)
  if (tool === undefined) reasons.push(...rejected)
  return tool
}

const RETRY_UPGRADE_AFTER_MS = 24 * 3600_000

function upgradeNote(name: ToolName): string {
  return join(cacheFolder(), name, 'release-failed.txt')
}

/** True if a download failed less than a day ago: an older tool that works is then used at once. */
async function upgradeFailedLately(name: ToolName): Promise<boolean> {
  const failed = await stat(upgradeNote(name)).catch(() => undefined)
  return failed !== undefined && Date.now() - failed.mtimeMs < RETRY_UPGRADE_AFTER_MS
}

async function rememberFailedUpgrade(name: ToolName, reason: string): Promise<void> {
  await writeFileAtomic(upgradeNote(name), `${reason}\n`)
}
