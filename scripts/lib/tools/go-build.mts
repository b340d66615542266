/** Builds tools from source, with modules of the Go module proxy. */

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { which } from 'zx/core'
import { ProxmintError } from '../run/errors.mts'
import { type CommandPlan, command, runCommand } from '../run/exec.mts'
import { withProgress } from '../run/progress.mts'
import { installEntry, type NewEntry } from './cache.mts'
import { pins, TOOLS_FOLDER, type ToolName } from './pins.mts'
import { probe } from './probe.mts'
import { layOutBuilt } from './provider.mts'
import { isAtLeast, versionIn } from './versions.mts'

interface Recipe {
  packages: string[]
  /** Linker flags that set the version that the program prints. */
  versionFlags: string
}

/**
 * Tools that can be built. tools/go/<tool> has the module of each, with go.sum. Packer is missing because its proxmox
 * plugin is not on the proxy.
 */
const RECIPES: Partial<Record<ToolName, Recipe>> = {
  sops: { packages: ['github.com/getsops/sops/v3/cmd/sops'], versionFlags: '' },
  age: {
    packages: ['filippo.io/age/cmd/age', 'filippo.io/age/cmd/age-keygen'],
    versionFlags: `-X main.Version=v${pins.tools.age.version}`,
  },
  opentofu: {
    packages: ['github.com/opentofu/opentofu/cmd/tofu'],
    versionFlags: '-X github.com/opentofu/opentofu/version.dev=no',
  },
  'proxmox-provider': {
    packages: ['github.com/bpg/terraform-provider-proxmox'],
    versionFlags: `-X main.version=${pins.tools['proxmox-provider'].version}`,
  },
}

/** First version of Go that downloads a newer Go if a module requires one. */
const FIRST_SWITCHING_GO = '1.21'

/**
 * Builds the pinned version of a tool. Go verifies downloads with the committed go.sum.
 * @throws ProxmintError If Go is missing or too old, or if the build fails.
 */
export async function buildWithGo(name: ToolName, signal: AbortSignal): Promise<void> {
  const recipe = RECIPES[name]!
  const moduleFolder = fileURLToPath(new URL(`go/${name}/`, TOOLS_FOLDER))
  await checkGo(moduleFolder)
  const { version } = pins.tools[name]
  const fill: NewEntry['fill'] = async (folder, fillSignal) => {
    const bin = join(folder, 'bin')
    await mkdir(bin)
    await build(name, buildPlan(recipe, moduleFolder, bin), fillSignal)
    if (name === 'proxmox-provider') await layOutBuilt(join(bin, 'terraform-provider-proxmox'), folder)
  }
  await installEntry({ tool: name, version, origin: 'go', fill }, signal)
}

/** CGO off: needs no C compiler and no library. GOWORK off: ignores a workspace in a folder above. */
function buildPlan(recipe: Recipe, moduleFolder: string, outputFolder: string): CommandPlan {
  const { packages, versionFlags } = recipe
  const flags = `-s -w ${versionFlags}`.trim()
  return {
    ...command`go build -v -mod=readonly -trimpath -ldflags ${flags} -o ${outputFolder}/ ${packages}`,
    cwd: moduleFolder,
    env: { CGO_ENABLED: '0', GOWORK: 'off' },
  }
}

async function build(name: ToolName, plan: CommandPlan, signal: AbortSignal): Promise<void> {
  const { version } = pins.tools[name]
  const label = `build ${name} ${version} with Go (some minutes, once)`
  const result = await withProgress(label, progress => {
    let packages = 0
    const onLine = (line: string): void => {
      const downloading = /^go: downloading (\S+)/.exec(line)?.[1]
      progress.update(
        downloading === undefined ? `${++packages} packages compiled` : `fetching ${downloading}`,
      )
    }
    return runCommand(plan, { signal, onLine })
  })
  signal.throwIfAborted()
  if (result.code !== 0) throw buildFailed(name, result.stderr)
}

function buildFailed(name: ToolName, output: string): ProxmintError {
  const lines = output.split('\n').filter(line => !/^go: downloading |^[\w./-]+$/.test(line))
  return new ProxmintError(`building ${name} with Go failed: ${lines.slice(-3).join(' / ')}`)
}

/** @throws ProxmintError With the version of Go to install. */
async function checkGo(moduleFolder: string): Promise<void> {
  const needed = await neededGo(moduleFolder)
  const go = await which('go', { nothrow: true })
  if (go === null) {
    throw new ProxmintError(
      `Go is not installed; with Go ${needed} or newer (go.dev/dl) on PATH it is built from source`,
    )
  }
  const found = versionIn((await probe({ file: go }, ['version'])).stdout) ?? 'of unknown version'
  if (!isAtLeast(found, FIRST_SWITCHING_GO)) {
    throw new ProxmintError(`Go ${found} (${go}) is too old; install Go ${needed} or newer (go.dev/dl)`)
  }
}

async function neededGo(moduleFolder: string): Promise<string> {
  const goMod = await readFile(join(moduleFolder, 'go.mod'), 'utf8')
  return /^go (\S+)/m.exec(goMod)![1]!
}
