import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { which } from 'zx/core'
import { messageOf, ProxmintError } from '../run/errors.mts'
import { type CommandPlan, type CommandResult, command, runCommand } from '../run/exec.mts'
import { withProgress } from '../run/progress.mts'
import { installEntry, type NewEntry } from './cache.mts'
import { CHECKSUMS, requireKnownChecksums } from './checksums.mts'
import { findTool } from './find.mts'
import { type Pin, pins, TOOLS_FOLDER, type ToolName } from './pins.mts'
import { lastLine } from './probe.mts'
import { mirrorRelease } from './provider.mts'
import type { Installer } from './tool.mts'

/** Enough for a large program and a slow connection. */
const DOWNLOAD_LIMIT_MS = 300_000

/**
 * Installer that installs official releases by pinned version. mise downloads programs; it checks the checksums that the
 * project published, and signatures and attestations if there are any. Packer downloads its plugin and checks its
 * checksum. What came is compared with the hashes in tools/checksums.json. After a network failure the method tries no other release.
 */
export function officialReleases(checksums: URL | string = CHECKSUMS): Installer {
  let reachable = true
  return async (name, signal) => {
    if (!reachable) throw new ProxmintError('its release was not tried: none could be reached just now')
    try {
      await installRelease(name, checksums, signal)
    } catch (error) {
      reachable = !isNetworkFault(messageOf(error))
      throw error
    }
  }
}

async function installRelease(name: ToolName, checksums: URL | string, signal: AbortSignal): Promise<void> {
  const pin: Pin = pins.tools[name]
  const label = `download ${name} ${pin.version}`
  const fill: NewEntry['fill'] = async (folder, fillSignal) => {
    await withProgress(label, async () => {
      if (name === 'proxmox-provider') await downloadProvider(folder, fillSignal)
      else await downloadPrograms(name, pin, folder, fillSignal)
      if (name === 'packer') await downloadPackerPlugin(folder, fillSignal)
      await requireKnownChecksums(checksums, `${name} ${pin.version}`, folder)
    })
  }
  await installEntry({ tool: name, version: pin.version, origin: 'release', fill }, signal)
}

async function downloadProvider(folder: string, signal: AbortSignal): Promise<void> {
  const tofu = await findTool('opentofu')
  if (tofu === undefined) throw new ProxmintError('its release is downloaded by OpenTofu, which is missing')
  await mirrorRelease(tofu, folder, signal)
}

async function downloadPrograms(
  name: ToolName,
  pin: Pin,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await installMise(folder, signal)
  const installed = `${name}@${pin.version}`
  await download(misePlan(['install', installed], folder), signal)
  const folders = (await download(misePlan(['bin-paths', installed], folder), signal)).stdout.split('\n')
  await mkdir(join(folder, 'bin'))
  for (const program of pin.programs) {
    const found = await which(program, { path: folders.join(':'), nothrow: true })
    if (found === null) throw new ProxmintError(`the release of ${installed} has no program ${program}`)
    await copyFile(found, join(folder, 'bin', program))
  }
  await rm(join(folder, MISE_FOLDER), { recursive: true })
}

const MISE_FOLDER = 'mise'

/** Environment of npm: by default it waits up to a minute between its attempts. */
const NPM_ENV = {
  npm_config_fetch_retries: '1',
  npm_config_fetch_retry_mintimeout: '1000',
  npm_config_fetch_retry_maxtimeout: '2000',
}

/**
 * Installs mise below `folder`. npm checks it against the hash in tools/mise/package-lock.json, and runs no script of
 * it.
 */
async function installMise(folder: string, signal: AbortSignal): Promise<void> {
  if ((await which('npm', { nothrow: true })) === null)
    throw new ProxmintError('its release cannot be downloaded: npm is not on PATH')
  const own = join(folder, MISE_FOLDER)
  await mkdir(own)
  for (const file of ['package.json', 'package-lock.json'])
    await copyFile(new URL(`mise/${file}`, TOOLS_FOLDER), join(own, file))
  const plan = { ...command`npm ci --ignore-scripts --no-audit --no-fund`, cwd: own, env: NPM_ENV }
  await download(plan, signal)
}

async function download(plan: CommandPlan, signal: AbortSignal): Promise<CommandResult> {
  const result = await runCommand(plan, { signal, timeoutMs: DOWNLOAD_LIMIT_MS, graceMs: 5000 })
  if (result.code === 0) return result
  throw new ProxmintError(`its release cannot be downloaded (${complaint(result)})`)
}

/** Plans a mise command. All its files stay below `folder`; it does not use or change the user's own mise. */
export function misePlan(args: string[], folder: string): CommandPlan {
  const own = join(folder, MISE_FOLDER)
  return {
    file: join(own, 'node_modules/.bin/mise'),
    args,
    cwd: folder,
    env: {
      MISE_DATA_DIR: join(own, 'data'),
      MISE_CACHE_DIR: join(own, 'cache'),
      MISE_STATE_DIR: join(own, 'state'),
      MISE_CONFIG_DIR: join(own, 'config'),
      MISE_NO_CONFIG: '1',
      MISE_YES: '1',
      // In CI mise prints colours even without a terminal.
      MISE_COLOR: '0',
      NO_COLOR: '1',
      // Behind a firewall that drops packets, mise then fails in seconds instead of a minute.
      MISE_HTTP_RETRIES: '0',
      MISE_HTTP_TIMEOUT: '5s',
      MISE_FETCH_REMOTE_VERSIONS_TIMEOUT: '3s',
      MISE_PREFER_OFFLINE: '1',
      MISE_USE_VERSIONS_HOST: '0',
    },
  }
}

/** Error of mise or npm, with the last two causes of its chain. */
function complaint(result: CommandResult): string {
  const line = /^(?:mise|npm) (?:ERROR|error) +(?!code )(.+)$/m.exec(result.stderr)?.[1]
  return line?.split(': ').slice(-2).join(': ') ?? lastLine(result)
}

/** True for a failure that concerns every tool, unlike a wrong version or checksum. */
function isNetworkFault(message: string): boolean {
  return /sending request|lookup address|timed out|no answer|connection failure|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|_CERT/i.test(
    message,
  )
}

async function downloadPackerPlugin(folder: string, signal: AbortSignal): Promise<void> {
  const { source, version } = pins.tools.packer.plugin
  const plan: CommandPlan = {
    ...command`${folder}/bin/packer plugins install ${source} ${version}`,
    env: { PACKER_PLUGIN_PATH: join(folder, 'plugins'), CHECKPOINT_DISABLE: '1' },
  }
  const result = await runCommand(plan, { signal, timeoutMs: DOWNLOAD_LIMIT_MS, graceMs: 5000 })
  if (result.code !== 0) {
    throw new ProxmintError(`its plugin ${source} cannot be downloaded (${lastLine(result)})`)
  }
}
