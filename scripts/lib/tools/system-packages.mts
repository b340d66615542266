import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter } from 'node:path'
import { which } from 'zx/core'
import { ProxmintError } from '../run/errors.mts'
import { type CommandPlan, type CommandResult, command, runCommand } from '../run/exec.mts'
import { withProgress } from '../run/progress.mts'
import type { Installer } from './installer.mts'
import { type ToolName, toolsFolder } from './pins.mts'
import { lastLine, probe } from './probe.mts'

export type PackageGroup = 'demo' | 'test' | 'qemu'

/** One Debian or Ubuntu package in tools/system-packages.json. */
interface SystemPackage {
  package: string
  groups: PackageGroup[]
  for: string
  /** Installed only when this tool cannot be had in a better way. */
  tool?: ToolName
  /** What shows that it is there, however it came. */
  provides?: { command?: string; pythonModule?: string }
  /** Needed only by users who are not root. */
  unprivilegedOnly?: boolean
}

/** What decides whether packages can be installed here. */
export interface Host {
  root: boolean
  /** Debian, Ubuntu and what derives from them. */
  apt: boolean
}

/** Waits up to 120 s for another apt. */
const APT_OPTIONS = ['-o', 'DPkg::Lock::Timeout=120']

const systemPackages: SystemPackage[] = JSON.parse(
  readFileSync(new URL('system-packages.json', toolsFolder), 'utf8'),
).packages

export async function describeHost(): Promise<Host> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const apt = /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)
  return { root: process.getuid?.() === 0, apt }
}

/** What the groups need and this machine lacks; packages of tools are not looked at. */
export async function missingPackages(groups: PackageGroup[], host: Host): Promise<string[]> {
  const missing: string[] = []
  for (const entry of systemPackages) {
    const needed =
      entry.groups.some(group => groups.includes(group)) && !(entry.unprivilegedOnly && host.root)
    if (needed && entry.provides !== undefined && !(await isPresent(entry.provides)))
      missing.push(entry.package)
  }
  return missing
}

async function isPresent({
  command,
  pythonModule,
}: NonNullable<SystemPackage['provides']>): Promise<boolean> {
  if (pythonModule !== undefined) {
    return (await probe({ file: 'python3' }, ['-c', `import ${pythonModule}`])).code === 0
  }
  // Without the system folders `ip` would seem to be missing for a user who is not root.
  const path = [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter)
  return (await which(command!, { path, nothrow: true })) !== null
}

/** The one line to run, or what to do where there is no apt. */
export function installLine(names: string[], host: Host): string {
  const list = names.join(' ')
  if (!host.apt) return `install what Debian calls: ${list}`
  return `${host.root ? '' : 'sudo '}apt-get install -y ${list}`
}

/**
 * Installs the packages where this process is root on Debian or Ubuntu.
 * @throws ProxmintError with the line to run, elsewhere or when apt-get fails.
 */
export async function installPackages(names: string[], host: Host, signal: AbortSignal): Promise<void> {
  const missing = `${names.length === 1 ? 'a system package is' : 'system packages are'} missing: ${names.join(', ')}`
  const line = installLine(names, host)
  if (!host.root || !host.apt) throw new ProxmintError(missing, { hint: line })
  await withProgress(`apt-get install ${names.join(' ')}`, async () => {
    const install = command`apt-get ${APT_OPTIONS} install -y --no-install-recommends ${names}`
    let result = await apt(install, signal)
    if (result.code !== 0) {
      // A fresh image has no package lists, an old one outdated ones.
      await apt(command`apt-get ${APT_OPTIONS} update`, signal)
      result = await apt(install, signal)
    }
    if (result.code !== 0)
      throw new ProxmintError(`${missing} (apt-get: ${lastLine(result)})`, { hint: line })
  })
}

function apt(plan: CommandPlan, signal: AbortSignal): Promise<CommandResult> {
  return runCommand({ ...plan, env: { DEBIAN_FRONTEND: 'noninteractive' } }, { signal })
}

/** The distribution's packages of those tools that it has. */
export function packagesOfTools(tools: ToolName[]): string[] {
  return systemPackages
    .filter(entry => entry.tool !== undefined && tools.includes(entry.tool))
    .map(entry => entry.package)
}

/** The distribution's package of a tool. */
export const installFromDistribution: Installer = async (name, signal) => {
  const names = packagesOfTools([name])
  const host = await describeHost()
  if (host.root && host.apt) return await installPackages(names, host, signal)
  throw new ProxmintError(`the distribution's package is not installed: ${installLine(names, host)}`)
}
