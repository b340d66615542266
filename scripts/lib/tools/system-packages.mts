import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter } from 'node:path'
import { which } from 'zx/core'
import { ProxmintError } from '../run/errors.mts'
import { type CommandPlan, type CommandResult, command, runCommand } from '../run/exec.mts'
import { withProgress } from '../run/progress.mts'
import { TOOLS_FOLDER, type ToolName } from './pins.mts'
import { lastLine, probe } from './probe.mts'

export type PackageGroup = 'demo' | 'test' | 'qemu'

/** Debian or Ubuntu package in tools/system-packages.json. */
interface SystemPackage {
  package: string
  groups: PackageGroup[]
  for: string
  /** Tool that the package has. It is installed only if every better method failed. */
  tool?: ToolName
  /** Command, Python module or file that shows that the package, or an equivalent, is installed. */
  provides?: { command?: string; pythonModule?: string; file?: string }
  /** True if only users other than root need it. */
  unprivilegedOnly?: boolean
}

/** Facts that decide whether this process can install packages. */
export interface Host {
  root: boolean
  /** True on Debian, Ubuntu and their derivatives. */
  apt: boolean
}

/** Waits up to 120 s for another apt. */
const APT_OPTIONS = ['-o', 'DPkg::Lock::Timeout=120']

const SYSTEM_PACKAGES: SystemPackage[] = JSON.parse(
  readFileSync(new URL('system-packages.json', TOOLS_FOLDER), 'utf8'),
).packages

export async function describeHost(): Promise<Host> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const apt = /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)
  return { root: process.getuid?.() === 0, apt }
}

/** Packages of the groups that are missing on this machine, without packages of tools. */
export async function missingPackages(groups: PackageGroup[], host: Host): Promise<string[]> {
  const missing: string[] = []
  for (const entry of SYSTEM_PACKAGES) {
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
  file,
}: NonNullable<SystemPackage['provides']>): Promise<boolean> {
  if (pythonModule !== undefined) {
    return (await probe({ file: 'python3' }, ['-c', `import ${pythonModule}`])).code === 0
  }
  if (file !== undefined) return existsSync(file)
  // The PATH of a user other than root may lack the system folders, which hold `ip`.
  const path = [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter)
  return (await which(command!, { path, nothrow: true })) !== null
}

/** Command that installs the packages, or a sentence if the system has no apt. */
export function installLine(names: string[], host: Host): string {
  const list = names.join(' ')
  if (!host.apt) return `install what Debian calls: ${list}`
  return `${host.root ? '' : 'sudo '}apt-get install -y ${list}`
}

/**
 * Installs packages.
 * @throws ProxmintError With the command to run, if this process is not root, the system has no apt or apt-get fails.
 */
export async function installPackages(names: string[], host: Host, signal: AbortSignal): Promise<void> {
  const missing = `${names.length === 1 ? 'a system package is' : 'system packages are'} missing: ${names.join(', ')}`
  const line = installLine(names, host)
  if (!host.root || !host.apt) throw new ProxmintError(missing, { hint: line })
  await withProgress(`apt-get install ${names.join(' ')}`, async () => {
    const install = command`apt-get ${APT_OPTIONS} install -y --no-install-recommends ${names}`
    let result = await apt(install, signal)
    if (result.code !== 0) {
      // The package lists may be missing (new image) or outdated.
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

/** Packages of the distribution for these tools, if it has any. */
export function packagesOfTools(tools: ToolName[]): string[] {
  return SYSTEM_PACKAGES.filter(entry => entry.tool !== undefined && tools.includes(entry.tool)).map(
    entry => entry.package,
  )
}

/** Installs the distribution's package of a tool. @throws ProxmintError If that is not possible. */
export async function installFromDistribution(name: ToolName, signal: AbortSignal): Promise<void> {
  const names = packagesOfTools([name])
  const host = await describeHost()
  if (host.root && host.apt) return await installPackages(names, host, signal)
  throw new ProxmintError(`the distribution's package is not installed: ${installLine(names, host)}`)
}
