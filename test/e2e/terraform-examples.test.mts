/** The module and the examples for who only wants VM templates, without a Proxmox: `validate`, `fmt`, `test`. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../../scripts/lib/run/exec.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { repository } from './workspace.mts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxmint-examples-'))
  await cp(join(repository, 'terraform'), folder, { recursive: true })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test.each(['modules/vm', 'examples/plain-vms', 'examples/talos-cluster'])(
  '%s is valid, formatted and keeps its tests',
  async path => {
    const [program, provider] = await Promise.all([requireTool('opentofu'), requireTool('proxmox-provider')])
    const cwd = join(folder, path)
    for (const args of [['init'], ['validate'], ['fmt', '-check'], ['test']]) {
      const { code, stdout, stderr } = await runCommand({
        file: program.file,
        args: args.includes('fmt') ? args : [...args, '-no-color'],
        cwd,
        env: { ...provider.env, TF_IN_AUTOMATION: '1' },
      })
      expect(code, `${args.join(' ')}:\n${stdout}${stderr}`).toBe(0)
      if (args[0] === 'test') expect(stdout).toMatch(/[1-9]\d* passed, 0 failed/)
    }
  },
)
