import { cp, link, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { command, runCommand } from '../run/exec.mts'
import { cacheFolder, readEntry } from './cache.mts'
import { pins } from './pins.mts'
import { lastLine } from './probe.mts'
import type { Tool } from './tool.mts'

const address = 'bpg/proxmox'
/** OpenTofu and Terraform expand the address with hosts of their own; the mirror answers for both. */
const hosts = ['registry.opentofu.org', 'registry.terraform.io']
const { version } = pins.tools['proxmox-provider']
const goArchitectures: Record<string, string> = { x64: 'amd64', ia32: '386' }
/** As OpenTofu and Terraform name this machine. */
const target = `${platform()}_${goArchitectures[arch()] ?? arch()}`

/** The provider in the cache, with the CLI configuration that makes `tofu init` take it from there. */
export async function findProvider(): Promise<Tool | undefined> {
  const entry = await readEntry('proxmox-provider', version)
  const file = entry && Object.keys(entry.files).find(path => path.startsWith(`mirror/${hosts[0]}/`))
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

/** Beside the entry, not in it: a cache that was moved gets a configuration with its new path. */
async function writeIfChanged(path: string, content: string): Promise<void> {
  const present = await readFile(path, 'utf8').catch(() => undefined)
  if (present !== content) await writeFileAtomic(path, content)
}

/** Every other provider still comes from its registry. */
function cliConfig(mirror: string): string {
  const ours = JSON.stringify(hosts.map(host => `${host}/${address}`))
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

/** Lays a built provider out as a filesystem mirror below `folder`. */
export async function layOutBuilt(built: string, folder: string): Promise<void> {
  const [first, ...others] = hosts.map(host =>
    join(folder, 'mirror', host, address, version, target, `terraform-provider-proxmox_v${version}`),
  )
  await mkdir(dirname(first!), { recursive: true })
  await rename(built, first!)
  for (const other of others) {
    await mkdir(dirname(other), { recursive: true })
    await link(first!, other)
  }
}

/**
 * Has OpenTofu or Terraform download the official release into a mirror below `folder`: they check its
 * signature and checksum.
 * @throws ProxmintError with what they said last.
 */
export async function mirrorRelease(tofu: Tool, folder: string, signal: AbortSignal): Promise<void> {
  const mirror = join(folder, 'mirror')
  await mkdir(mirror)
  const proxmox = { source: address, version: `= ${version}` }
  await writeFile(
    join(folder, 'providers.tf.json'),
    JSON.stringify({ terraform: { required_providers: { proxmox } } }),
  )
  const env = { NO_COLOR: '1', TF_CLI_CONFIG_FILE: undefined }
  const download = command`${tofu.file} providers mirror -platform=${target} ${mirror}`
  const result = await runCommand(
    { ...download, cwd: folder, env },
    { signal, timeoutMs: 300_000, graceMs: 5000 },
  )
  if (result.code !== 0) throw new ProxmintError(`${tofu.file} cannot download it (${lastLine(result)})`)
  await serveUnderEveryHost(mirror)
}

/** The download stands under the host of whichever program made it. */
async function serveUnderEveryHost(mirror: string): Promise<void> {
  const [present] = await readdir(mirror)
  for (const host of hosts) {
    if (host !== present) await cp(join(mirror, present!), join(mirror, host), { recursive: true })
  }
}
