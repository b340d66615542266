import { ProxmintError } from '../run/errors.mts'
import { formatTable } from '../run/table.mts'
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

/** Purposes of a set-up. `all` leaves out `qemu`, which is large and needed by few. */
export const purposes = ['demo', 'test', 'qemu', 'all'] as const
type SetupPurpose = (typeof purposes)[number]

export interface SetupRequest {
  tools: ToolName[]
  groups: PackageGroup[]
}

/** Actions of a set-up. */
interface SetupPlan {
  tools: { name: ToolName; found: Tool | undefined; rejected: Rejection[]; wouldTry: InstallMethod[] }[]
  /** Command that installs the missing system packages; undefined if none is missing. */
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
 * Finds or installs all tools and packages of the request.
 * @throws ProxmintError With everything that is still missing, and one command that installs it.
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

/** Installs missing packages if this process may. @returns The packages that are still missing. */
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

const ORIGINS: Record<Tool['origin'], string> = {
  path: 'PATH',
  system: 'distribution',
  release: 'official release',
  go: 'built with Go',
}

/** One row per tool: name, version, where it came from, file. */
export function formatTools(tools: Tool[]): string {
  if (tools.length === 0) return 'nothing is missing'
  const rows = tools.map(({ name, version, origin, dialect, file }) => {
    const source = dialect === 'packaged' ? `${ORIGINS[origin]}, 1.6 dialect` : ORIGINS[origin]
    return [name, version, source, file]
  })
  return formatTable(['tool', 'version', 'from', 'file'], rows)
}

/** Text of `--dry-run`: the state of each tool and the methods that a set-up would try. */
export function formatPlan(plan: SetupPlan): string {
  const tools = plan.tools.map(({ name, found, rejected, wouldTry }) => {
    const have = found === undefined ? 'not there' : `${found.version} at ${found.file}`
    const next = wouldTry.length === 0 ? '' : `; would try: ${wouldTry.map(way => ORIGINS[way]).join(', ')}`
    return [`${name}: ${have}${next}`, ...rejected.map(reason => `  not usable: ${reason}`)].join('\n')
  })
  return [...tools, `system packages: ${plan.packages ?? 'nothing is missing'}`].join('\n')
}
