import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type EnsureOptions, type Obtained, obtainTools } from '../../../scripts/lib/tools/ensure.mts'
import type { ToolName } from '../../../scripts/lib/tools/pins.mts'
import { misePlan } from '../../../scripts/lib/tools/release.mts'
import { bareMachine, goBody, npmWithMise, npmWithoutNetwork, packerBody, packerPlugin } from './fakes.mts'

const unreachable = 'its release cannot be downloaded (error sending request: dns error)'

async function obtain(
  names: ToolName[],
  signal = new AbortController().signal,
): Promise<Obtained & { notes: string[] }> {
  const notes: string[] = []
  const checksums = join(process.env['XDG_CACHE_HOME']!, 'checksums.json')
  const options: EnsureOptions = { signal, onNote: sentence => notes.push(sentence), checksums }
  return { ...(await obtainTools(names, options)), notes }
}

describe('releases', () => {
  test('come by the pinned mise, which keeps everything in the folder it is given', () => {
    const plan = misePlan(['install', 'sops@3.13.3'], '/cache/partial')
    expect(plan.file).toBe('/cache/partial/mise/node_modules/.bin/mise')
    expect(plan.args).toEqual(['install', 'sops@3.13.3'])
    expect(plan.env).toMatchObject({ MISE_DATA_DIR: '/cache/partial/mise/data', MISE_NO_CONFIG: '1' })
  })

  test('what mise installed is copied into the cache, and nothing else of it', async () => {
    const machine = await bareMachine()
    await machine.program(
      'npm',
      npmWithMise(`bin="$MISE_DATA_DIR/installs/sops/bin"
case "$*" in
*'install sops@3.13.3') /bin/mkdir -p "$bin"; printf '#!/bin/sh\\necho sops 3.13.3\\n' > "$bin/sops"; /bin/chmod +x "$bin/sops" ;;
*'bin-paths sops@3.13.3') echo "$bin" ;;
esac`),
    )
    const { tools } = await obtain(['sops'])
    const file = join(machine.cache, 'sops', '3.13.3', 'bin', 'sops')
    expect(tools).toEqual([{ name: 'sops', file, version: '3.13.3', origin: 'release' }])
    expect((await readdir(join(machine.cache, 'sops', '3.13.3'))).sort()).toEqual(['bin', 'complete.json'])
  })

  test('unreachable ones are tried once, then the next way is taken, and the reason is told', async () => {
    const machine = await bareMachine()
    await machine.program('npm', `echo tried >> "$XDG_CACHE_HOME/npm-runs"; ${npmWithoutNetwork}`)
    await machine.program('go', goBody(['sops', 'tofu'], 'v3.13.3'))
    const { tools, notes } = await obtain(['sops', 'opentofu'])
    expect(tools.map(({ name, origin }) => [name, origin])).toEqual([
      ['sops', 'go'],
      ['opentofu', 'go'],
    ])
    expect(notes).toEqual([
      `sops: ${unreachable}`,
      'opentofu: its release was not tried: none could be reached just now',
    ])
    expect(await readFile(join(machine.cache, '..', '..', 'npm-runs'), 'utf8')).toBe('tried\n')
  })

  test('a wrong checksum concerns one tool only', async () => {
    const machine = await bareMachine()
    await machine.program('npm', `echo 'mise ERROR Checksum mismatch for file sops.tar.gz' >&2; exit 1`)
    await machine.program('go', goBody(['sops', 'tofu'], 'v3.13.3'))
    const { notes } = await obtain(['sops', 'opentofu'])
    const mismatch = 'its release cannot be downloaded (Checksum mismatch for file sops.tar.gz)'
    expect(notes).toEqual([`sops: ${mismatch}`, `opentofu: ${mismatch}`])
  })
})

describe('the Go module proxy', () => {
  test('Go missing: says which one to install', async () => {
    const machine = await bareMachine()
    await machine.program('npm', npmWithoutNetwork)
    const { failures } = await obtain(['sops'])
    expect(failures).toEqual({
      sops: `${unreachable}; Go is not installed; with Go 1.26.0 or newer (go.dev/dl) on PATH it is built from source`,
    })
  })

  test('Go too old', async () => {
    const machine = await bareMachine()
    await machine.program('npm', npmWithoutNetwork)
    const go = await machine.program('go', 'echo go version go1.19.8 linux/amd64')
    const { failures } = await obtain(['sops'])
    expect(failures.sops).toContain(`Go 1.19.8 (${go}) is too old; install Go 1.26.0 or newer (go.dev/dl)`)
  })

  test('a build that fails tells what Go said, and leaves nothing', async () => {
    const machine = await bareMachine()
    await machine.program('npm', npmWithoutNetwork)
    await machine.program(
      'go',
      `[ "$1" = version ] && { echo go1.26.6; exit; }
echo 'go: downloading example.org/a v1.0.0' >&2; echo 'missing go.sum entry' >&2; exit 1`,
    )
    const { failures } = await obtain(['sops'])
    expect(failures.sops).toContain('building sops with Go failed: missing go.sum entry')
    expect(await readdir(join(machine.cache, 'sops'))).toEqual([])
  })

  test('the provider is laid out as a mirror for OpenTofu and for Terraform', async () => {
    const machine = await bareMachine()
    await machine.program('go', goBody(['terraform-provider-proxmox'], 'plugin'))
    const { tools } = await obtain(['proxmox-provider'])
    const config = await readFile(tools[0]!.env!['TF_CLI_CONFIG_FILE']!, 'utf8')
    const mirror = join(machine.cache, 'proxmox-provider', '0.111.1', 'mirror')
    expect(config).toContain(`path    = "${mirror}"`)
    for (const host of ['registry.opentofu.org', 'registry.terraform.io']) {
      expect(config).toContain(`"${host}/bpg/proxmox"`)
      await access(join(mirror, host, 'bpg', 'proxmox', '0.111.1'))
    }
  })

  test('an interrupted build ends with 130 and leaves nothing', async () => {
    const machine = await bareMachine()
    await machine.program('npm', npmWithoutNetwork)
    await machine.program('go', '[ "$1" = version ] && { echo go1.26.6; exit; }; exec /bin/sleep 30')
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 500)
    await expect(obtain(['sops'], controller.signal)).rejects.toMatchObject({
      message: 'interrupted: setting up sops',
      exitCode: 130,
    })
    expect(await readdir(join(machine.cache, 'sops'))).toEqual([])
  })
})

describe('what is already there', () => {
  test('an entry that no longer runs is removed and built anew', async () => {
    const machine = await bareMachine()
    await machine.program('npm', npmWithoutNetwork)
    await machine.program('go', goBody(['sops'], 'v3.13.3'))
    const { tools } = await obtain(['sops'])
    const intact = await readFile(tools[0]!.file, 'utf8')
    await writeFile(tools[0]!.file, intact.replace('v3.13.3', 'garbage'))
    expect((await obtain(['sops'])).tools).toEqual(tools)
    expect(await readFile(tools[0]!.file, 'utf8')).toBe(intact)
    expect(await readFile(join(machine.cache, '..', '..', 'go-runs'), 'utf8')).toBe('run\nrun\n')
  })

  test('a packaged Packer is used when no release can be had, which is not tried again for a day', async () => {
    const machine = await bareMachine()
    await machine.program('npm', npmWithoutNetwork)
    await machine.program('packer', packerBody('1.6.6'))
    const first = await obtain(['packer'])
    expect(first.tools[0]?.dialect).toBe('packaged')
    expect(first.notes).toEqual([`packer: ${unreachable}`])
    expect((await obtain(['packer'])).notes).toEqual([])
  })

  test('a modern Packer without its plugin gives way to the release, which brings it', async () => {
    const machine = await bareMachine()
    const onPath = await machine.program('packer', packerBody('1.12.0'))
    const plugin = await packerPlugin(machine, '{"version":"1.2.4","builders":["clone"]}')
    await machine.program(
      'npm',
      npmWithMise(`case "$*" in
*'install packer@1.15.0') /bin/mkdir -p "$MISE_DATA_DIR/bin"; /bin/cp '${onPath}-release' "$MISE_DATA_DIR/bin/packer" ;;
*'bin-paths packer@1.15.0') echo "$MISE_DATA_DIR/bin" ;;
esac`),
    )
    await machine.program(
      'packer-release',
      `folder="$PACKER_PLUGIN_PATH/github.com/hashicorp/proxmox"
case "$*" in
--version) echo Packer v1.15.0 ;;
'plugins install github.com/hashicorp/proxmox 1.2.4') /bin/mkdir -p "$folder"; /bin/cp '${plugin}' "$folder" ;;
'plugins installed') echo "$folder/packer-plugin-proxmox" ;;
esac`,
    )
    const { tools, notes } = await obtain(['packer'])
    expect(notes).toEqual([`packer: ${onPath} 1.12.0: has no plugin github.com/hashicorp/proxmox`])
    expect(tools[0]).toMatchObject({ version: '1.15.0', origin: 'release', dialect: 'modern' })
  })
})
