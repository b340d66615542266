import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { which } from 'zx/core'
import { ProxmintError } from '../run/errors.mts'
import { type CacheEntry, readEntry } from './cache.mts'
import { type Pin, pins, type ToolName } from './pins.mts'
import { findProvider } from './provider.mts'
import type { Candidate, Rejection, Tool, Usability } from './tool.mts'
import { examine } from './usable.mts'

export interface Search {
  tool: Tool | undefined
  rejected: Rejection[]
}

interface Place extends Candidate {
  origin: Tool['origin']
}

/** Finds a usable tool on PATH or in the cache. Installs nothing. */
export async function findTool(name: ToolName): Promise<Tool | undefined> {
  return (await searchTool(name)).tool
}

/** Finds a tool. @throws ProxmintError If none is usable, with each program that was found and the reason. */
export async function requireTool(name: ToolName): Promise<Tool> {
  const { tool, rejected } = await searchTool(name)
  if (tool !== undefined) return tool
  throw new ProxmintError(`${name} is not installed, or not usable`, {
    facts: Object.fromEntries(rejected.map((reason, index) => [`found ${index + 1}`, reason])),
    hint: `run \`zx scripts/setup.mts --only ${name}\``,
  })
}

/** Finds a tool and reports every program that was rejected. */
export async function searchTool(name: ToolName): Promise<Search> {
  if (name === 'proxmox-provider') return { tool: await findProvider(), rejected: [] }
  const rejected: Rejection[] = []
  let packaged: Tool | undefined
  for (const place of await placesOf(name)) {
    const verdict = await examine(place)
    if (!verdict.usable) {
      rejected.push(`${[place.file, verdict.version].filter(Boolean).join(' ')}: ${verdict.reason}`)
      continue
    }
    const tool = toolAt(place, verdict)
    if (tool.dialect !== 'packaged') return { tool, rejected }
    packaged ??= tool
  }
  return { tool: packaged, rejected }
}

function toolAt(place: Place, { version, dialect, plugin }: Usability & { usable: true }): Tool {
  const { tool: name, file, origin, env } = place
  const further = { ...(dialect && { dialect }), ...(plugin && { plugin }), ...(env && { env }) }
  return { name, file, version, origin, ...further }
}

/** Places to search, in order: PATH, then the cache. */
async function placesOf(name: ToolName): Promise<Place[]> {
  const pin: Pin = pins.tools[name]
  const places: Place[] = []
  for (const program of Object.keys(pin.minimum)) {
    const files = await onceEach((await which(program, { all: true, nothrow: true })) ?? [])
    places.push(...files.map(file => ({ tool: name, program, file, origin: originOnPath(file) })))
  }
  const entry = await readEntry(name, pin.version)
  return entry === undefined ? places : [...places, cachedPlace(name, pin, entry)]
}

/** Removes second names of a file. If /bin is a link to /usr/bin, PATH has each program twice; a check takes 0.2 s. */
async function onceEach(files: readonly string[]): Promise<string[]> {
  const real = await Promise.all(files.map(file => realpath(file).catch(() => file)))
  return files.filter((_, index) => real.indexOf(real[index]!) === index)
}

/** Origin of a program on PATH. Only the distribution installs into /usr/bin. */
function originOnPath(file: string): Tool['origin'] {
  return /^(\/usr)?\/s?bin\//.test(file) ? 'system' : 'path'
}

function cachedPlace(name: ToolName, pin: Pin, entry: CacheEntry): Place {
  const program = pin.programs[0]!
  const place: Place = { tool: name, program, file: join(entry.folder, 'bin', program), origin: entry.origin }
  if (name === 'packer') place.env = { PACKER_PLUGIN_PATH: join(entry.folder, 'plugins') }
  return place
}
