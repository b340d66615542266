import { ProxmintError } from '../run/errors.mts'
import { type EnsureOptions, obtainTools, waysToInstall } from './ensure.mts'
import { searchTool } from './find.mts'
import { type InstallMethod, pins, type ToolName, toolNames } from './pins.mts'
import {
  describeHost,
  type Host,
  installLine,
  installPackages,
  missingPackages,
  type PackageGroup,
  packagesOfTools,
} from './system-packages.mts'
import type { Rejection, Tool } from './tool.mts'

/** What a set-up is for. `qemu` is asked for by name only: it is large and few need it. */
export const purposes = ['demo', 'test', 'qemu', 'all'] as const
type SetupPurpose = (typeof purposes)[number]

export interface SetupRequest {
  tools: ToolName[]
  groups: PackageGroup[]
}

/** What a set-up would do: nothing for what is there. */
interface SetupPlan {
  tools: { name: ToolName; found: Tool | undefined; rejected: Rejection[]; wouldTry: InstallMethod[] }[]
  /** The line that installs the missing system packages. */
  packages: string | undefined
}

export function requestFor(purpose: SetupPurpose): SetupRequest {
  if (purpose === 'all') return { tools: toolNames, groups: ['demo', 'test'] }
  const tools = toolNames.filter(name => pins.tools[name].neededFor.some(user => user === purpose))
  return { tools, groups: [purpose] }
}

export async function planSetup(request: SetupRequest): Promise<SetupPlan> {
  const host = await describeHost()
  const missing = await missingPackages(request.groups, host)
  const tools: SetupPlan['tools'] = []
  for (const name of request.tools) {
    const { tool: found, rejected } = await searchTool(name)
    const settled = found !== undefined && found.dialect !== 'packaged'
    tools.push({ name, found, rejected, wouldTry: settled ? [] : waysToInstall(name, found) })
  }
  return { tools, packages: missing.length === 0 ? undefined : installLine(missing, host) }
}

/**
 * Finds or installs everything the request names.
 * @throws ProxmintError that lists everything still missing at once, with the one line that installs it.
 */
export async function setUp(request: SetupRequest, options: EnsureOptions): Promise<Tool[]> {
  const host = await describeHost()
  const lacking = await installMissing(request.groups, host, options)
  const { tools, failures } = await obtainTools(request.tools, options)
  const failed = Object.keys(failures) as ToolName[]
  if (failed.length === 0 && lacking.length === 0) return tools
  const packages = [...lacking, ...packagesOfTools(failed)]
  throw new ProxmintError(`the set-up is incomplete: ${[...failed, ...lacking].join(', ')} missing`, {
    facts: failures,
    hint:
      packages.length > 0
        ? `run \`${installLine(packages, host)}\`, then set up again`
        : 'open one of the ways above, or put a recent version on PATH, then set up again',
  })
}

/** The packages that are missing and cannot be installed by this process. */
async function installMissing(
  groups: PackageGroup[],
  host: Host,
  { signal, onNote }: EnsureOptions,
): Promise<string[]> {
  const missing = await missingPackages(groups, host)
  if (missing.length === 0) return []
  if (host.root && host.apt) {
    await installPackages(missing, host, signal)
    return []
  }
  onNote(`system packages cannot be installed by this user: ${missing.join(', ')}`)
  return missing
}

const origins: Record<Tool['origin'], string> = {
  path: 'PATH',
  system: 'distribution',
  release: 'official release',
  go: 'built with Go',
}

/** One row per tool: name, version, where it came from, file. */
export function formatTools(tools: Tool[]): string {
  if (tools.length === 0) return 'nothing is missing'
  const rows = tools.map(({ name, version, origin, dialect, file }) => {
    const source = dialect === 'packaged' ? `${origins[origin]}, 1.6 dialect` : origins[origin]
    return [name, version, source, file]
  })
  const table = [['tool', 'version', 'from', 'file'], ...rows]
  const widths = [0, 1, 2].map(column => Math.max(...table.map(row => row[column]!.length)))
  const line = (row: string[]): string => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return table.map(line).join('\n')
}

/** The same for `--dry-run`, with what would be done. */
export function formatPlan(plan: SetupPlan): string {
  const tools = plan.tools.map(({ name, found, rejected, wouldTry }) => {
    const have = found === undefined ? 'not there' : `${found.version} at ${found.file}`
    const next = wouldTry.length === 0 ? '' : `; would try: ${wouldTry.map(way => origins[way]).join(', ')}`
    return [`${name}: ${have}${next}`, ...rejected.map(reason => `  not usable: ${reason}`)].join('\n')
  })
  return [...tools, `system packages: ${plan.packages ?? 'nothing is missing'}`].join('\n')
}
