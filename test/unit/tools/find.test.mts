import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { installEntry } from '../../../scripts/lib/tools/cache.mts'
import { findTool, requireTool, searchTool } from '../../../scripts/lib/tools/find.mts'
import { bareMachine, type Fakes, packerBody, packerPlugin, script } from './fakes.mts'

const goodPlugin = '{"version":"1.2.4","builders":["clone","iso"]}'

describe('order', () => {
  test('nothing anywhere', async () => {
    await bareMachine()
    expect(await searchTool('sops')).toEqual({ tool: undefined, rejected: [] })
  })

  test('PATH before the cache', async () => {
    const machine = await bareMachine()
    await cacheSops()
    const file = await machine.program('sops', 'echo sops 3.10.0')
    expect(await findTool('sops')).toEqual({ name: 'sops', file, version: '3.10.0', origin: 'path' })
  })

  test('the cache where the one on PATH is too old', async () => {
    const machine = await bareMachine()
    const file = await machine.program('sops', 'echo sops 3.7.1')
    await cacheSops()
    const { tool, rejected } = await searchTool('sops')
    expect(tool).toMatchObject({ version: '3.13.3', origin: 'go' })
    expect(rejected).toEqual([`${file} 3.7.1: older than 3.9.0`])
  })

  test('Terraform where there is no OpenTofu', async () => {
    const machine = await bareMachine()
    const terraform = await machine.program('terraform', 'echo Terraform v1.11.4')
    expect((await findTool('opentofu'))?.file).toBe(terraform)
    const tofu = await machine.program('tofu', 'echo OpenTofu v1.12.6')
    expect((await findTool('opentofu'))?.file).toBe(tofu)
  })
})

describe('what does not work does not count', () => {
  test.each([
    ['exits with an error', 'echo 3.13.3; exit 3', 'does not print its version (3.13.3)'],
    ['prints no version', 'echo hello', 'does not print its version (hello)'],
    ['prints nothing', 'exit 1', 'does not print its version (exit code 1, no output)'],
  ])('a sops that %s', async (_, body, reason) => {
    const machine = await bareMachine()
    const file = await machine.program('sops', body)
    expect((await searchTool('sops')).rejected[0]).toContain(`${file}`)
    expect((await searchTool('sops')).rejected[0]).toContain(reason)
  })

  test('an age without age-keygen beside it', async () => {
    const machine = await bareMachine()
    const file = await machine.program('age', 'echo v1.3.2')
    expect((await searchTool('age')).rejected).toEqual([`${file} 1.3.2: age-keygen is not beside it`])
    await machine.program('age-keygen', 'echo v1.3.2')
    expect((await findTool('age'))?.version).toBe('1.3.2')
  })

  test('an error names what was found and what to run', async () => {
    const machine = await bareMachine()
    const file = await machine.program('sops', 'echo sops 3.7.1')
    await expect(requireTool('sops')).rejects.toMatchObject({
      message: 'sops is not installed, or not usable',
      facts: { 'found 1': `${file} 3.7.1: older than 3.9.0` },
      hint: 'run `zx scripts/setup.mts --only sops`',
    })
  })
})

describe('which dialect a Packer speaks', () => {
  test('modern: its plugin loads', async () => {
    const machine = await bareMachine()
    await machine.program('packer', packerBody('1.15.0', await packerPlugin(machine, goodPlugin)))
    expect(await findTool('packer')).toMatchObject({ version: '1.15.0', dialect: 'modern' })
  })

  test('packaged: 1.6 with the builder in it', async () => {
    const machine = await bareMachine()
    await machine.program('packer', packerBody('1.6.6'))
    expect(await findTool('packer')).toMatchObject({ version: '1.6.6', dialect: 'packaged' })
  })

  test('a modern one further down PATH is preferred to a packaged one', async () => {
    const machine = await bareMachine()
    await machine.program('packer', packerBody('1.6.6'))
    const plugin = await packerPlugin(machine, goodPlugin)
    await cachePacker(packerBody('1.15.0', plugin))
    expect(await findTool('packer')).toMatchObject({
      dialect: 'modern',
      env: { PACKER_PLUGIN_PATH: join(machine.cache, 'packer', '1.15.0', 'plugins') },
    })
  })

  test.each<[string, string, (machine: Fakes) => Promise<string>]>([
    ['has no plugin', 'has no plugin github.com/hashicorp/proxmox', async () => packerBody('1.15.0')],
    [
      'has a plugin that does not load',
      'does not load (exec format error)',
      async machine => packerBody('1.15.0', await packerPlugin(machine, 'exec format error')),
    ],
    [
      'has a plugin that is too old',
      '1.1.8 is older than 1.2.3',
      async machine =>
        packerBody('1.15.0', await packerPlugin(machine, '{"version":"1.1.8","builders":["clone"]}')),
    ],
    [
      'has a plugin without the builder',
      '1.2.4 has no clone builder',
      async machine =>
        packerBody('1.15.0', await packerPlugin(machine, '{"version":"1.2.4","builders":["iso"]}')),
    ],
    [
      'is a 1.6 without the builder',
      'has no proxmox-clone builder (Unknown builder proxmox-clone)',
      async () => '[ "$1" = --version ] && echo 1.6.6 || { echo Unknown builder proxmox-clone; exit 1; }',
    ],
    ['is neither', 'older than 1.10.0 and not the packaged 1.6', async () => packerBody('1.8.7')],
  ])('one that %s does not count', async (_, reason, body) => {
    const machine = await bareMachine()
    await machine.program('packer', await body(machine))
    const { tool, rejected } = await searchTool('packer')
    expect(tool).toBeUndefined()
    expect(rejected).toHaveLength(1)
    expect(rejected[0]).toContain(reason)
  })
})

const cacheSops = () => cacheProgram('sops', '3.13.3', 'echo sops 3.13.3')
const cachePacker = (body: string) => cacheProgram('packer', '1.15.0', body)

async function cacheProgram(tool: 'sops' | 'packer', version: string, body: string): Promise<void> {
  const { mkdir } = await import('node:fs/promises')
  const fill = async (folder: string): Promise<void> => {
    await mkdir(join(folder, 'bin'))
    await script(join(folder, 'bin', tool), body)
  }
  await installEntry({ tool, version, origin: 'go', fill }, new AbortController().signal)
}
