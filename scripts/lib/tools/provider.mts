/** The OpenTofu provider bpg/proxmox in the cache, as a filesystem mirror that `tofu init` reads. */

import { cp, link, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { command, runCommand } from '../run/exec.mts'
import { cacheFolder, readEntry } from './cache.mts'
import { TERRAFORM_VARIABLES } from './passed-variables.mts'
import { pins } from './pins.mts'
import { lastLine } from './probe.mts'
import type { Tool } from './tool.mts'

const ADDRESS = 'bpg/proxmox'
/** Default registries of OpenTofu and Terraform. The mirror has the provider for both. */
const HOSTS = ['registry.opentofu.org', 'registry.terraform.io']
const { version } = pins.tools['proxmox-provider']
const GO_ARCHITECTURES: Record<string, string> = { x64: 'amd64', ia32: '386' }
/** Platform of this machine, as OpenTofu and Terraform name it: `linux_amd64`. */
const TARGET = `${platform()}_${GO_ARCHITECTURES[arch()] ?? arch()}`

/** Finds the provider in the cache. Its `env` names a CLI configuration, by which `tofu init` uses the mirror. */
export async function findProvider(): Promise<Tool | undefined> {
  const entry = await readEntry('proxmox-provider', version)
  const file = entry && Object.keys(entry.files).find(path => path.startsWith(`mirror/${HOSTS[0]}/`))
  if (entry === undefined || file === undefined) return undefined
  const config = join(cacheFolder(), 'proxmox-provider', `${version}.tfrc`)
  await writeIfChanged(config, cliConfig(join(entry.folder, 'mirror')))
  return {
    name: 'proxmox-provider',
    file: join(entry.folder, file),
    version,
    origin: entry.origin,
    env: { TF_CLI_CONFIG_FILE: config },
  }
}

/** Writes the configuration beside the entry: it holds the path of the cache, which the user may move. */
async function writeIfChanged(path: string, content: string): Promise<void> {
  const present = await readFile(path, 'utf8').catch(() => undefined)
  if (present !== content) await writeFileAtomic(path, content)
}

/** CLI configuration with the mirror for this provider. All other providers come from their registries. */
function cliConfig(mirror: string): string {
  const ours = JSON.stringify(HOSTS.map(host => `${host}/${ADDRESS}`))
  return [
    'provider_installation {',
    '  filesystem_mirror {',
    `    path    = ${JSON.stringify(mirror)}`,
    `    include = ${ours}`,
    '  }',
    '  direct {',
    `    exclude = ${ours}`,
    '  }',
    '}',
    'disable_checkpoint = true',
    '',
  ].join('\n')
}

/** Moves a built provider into a filesystem mirror below `folder`. */
export async function layOutBuilt(built: string, folder: string): Promise<void> {
  const [first, ...others] = HOSTS.map(host =>
    join(folder, 'mirror', host, ADDRESS, version, TARGET, `terraform-provider-proxmox_v${version}`),
  )
  await mkdir(dirname(first!), { recursive: true })
  await rename(built, first!)
  for (const other of others) {
    await mkdir(dirname(other), { recursive: true })
    await link(first!, other)
  }
}

/**
 * Downloads the official release into a mirror below `folder`. OpenTofu or Terraform checks its signature and
 * checksum.
 * @throws ProxmintError With the last line that they printed.
 */
export async function mirrorRelease(tofu: Tool, folder: string, signal: AbortSignal): Promise<void> {
  const mirror = join(folder, 'mirror')
  await mkdir(mirror)
  const proxmox = { source: ADDRESS, version: `= ${version}` }
  await writeFile(
    join(folder, 'providers.tf.json'),
    JSON.stringify({ terraform: { required_providers: { proxmox } } }),
  )
  const env = { NO_COLOR: '1' }
  const download = command`${tofu.file} providers mirror -platform=${TARGET} ${mirror}`
  const result = await runCommand(
    { ...download, cwd: folder, env, inherits: TERRAFORM_VARIABLES },
    { signal, timeoutMs: 300_000, graceMs: 5000 },
  )
  if (result.code !== 0) throw new ProxmintError(`${tofu.file} cannot download it (${lastLine(result)})`)
  await serveUnderEveryHost(mirror)
}

/** Copies the download, which is in the folder of one host, to the other host. */
async function serveUnderEveryHost(mirror: string): Promise<void> {
  const [present] = await readdir(mirror)
  for (const host of HOSTS) {
    if (host !== present) await cp(join(mirror, present!), join(mirror, host), { recursive: true })
  }
}
