/** The timers of systemd: what is written, what systemd says of it, what is run. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { which } from 'zx/core'
import { planTimers, renderUnits } from '../../../scripts/lib/timers/timers.mts'
import { temporaryFolder } from '../temporary.mts'

const run = promisify(execFile)
const repository = resolve(import.meta.dirname, '../../..')
const folder = `/srv/my "best" 100% \\ proxmint`
const analyze = await which('systemd-analyze', { nothrow: true })

test.each(['user', 'system'] as const)('the units of the %s have every place filled in', async manager => {
  const units = await renderUnits({ manager, folder, user: 'ann', families: ['debian', 'arch'] })
  expect(units.map(({ path }) => basename(path))).toEqual(
    ['gc', 'rebuild', 'reconcile'].flatMap(name => [`proxmint-${name}.service`, `proxmint-${name}.timer`]),
  )
  const text = units.map(unit => unit.text).join('\n')
  expect(text).not.toMatch(/@[A-Z]+@/)
  expect(text).toContain('build.mts debian arch --if-changed')
  expect(text.includes('User=ann')).toBe(manager === 'system')
  expect(text).toContain(String.raw`WorkingDirectory=/srv/my "best" 100%% \ proxmint`)
  expect(text).toContain(String.raw`"PATH=/srv/my \"best\" 100%% \\ proxmint/node_modules/.bin:`)
})

test.skipIf(analyze === null)(
  'systemd finds nothing wrong with them (systemd-analyze; skipped without)',
  async () => {
    const units = await renderUnits({ manager: 'system', folder, user: 'root', families: ['debian'] })
    const place = await temporaryFolder()
    const files = units.map(({ path }) => join(place, basename(path)))
    await Promise.all(units.map(({ text }, index) => writeFile(files[index]!, text)))
    const { stdout, stderr } = await run(analyze!, ['verify', '--man=no', '--recursive-errors=no', ...files])
    // Of the machine itself it may say something; of ours it says the file's name.
    expect(`${stdout}${stderr}`).not.toContain('proxmint-')
    await writeFile(files[0]!, units[0]!.text.replace('WorkingDirectory=/', 'WorkingDirectory='))
    const broken = run(analyze!, ['verify', '--man=no', '--recursive-errors=no', files[0]!])
    await expect(broken.then(({ stderr }) => stderr).catch(error => error.stderr)).resolves.toContain(
      'WorkingDirectory',
    )
  },
)

test('timers are stopped before their files are gone', () => {
  const files = ['/u/a.service', '/u/a.timer'].map(path => ({ path, text: '' }))
  const told = (verb: 'install' | 'remove') =>
    planTimers(verb, 'system', files).commands.map(({ args }) => args)
  expect(told('install')).toEqual([['daemon-reload'], ['enable', '--now', 'a.timer']])
  expect(told('remove')).toEqual([['disable', '--now', 'a.timer'], ['daemon-reload']])
})

test('install and remove, by the command, in a folder with a space', { timeout: 120_000 }, async () => {
  const home = await temporaryFolder()
  const bin = join(home, 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" >> '${home}/calls'\n`)
  await chmod(join(bin, 'systemctl'), 0o755)
  const project = join(home, 'my project')
  await mkdir(join(project, 'packer/debian'), { recursive: true })
  await writeFile(join(project, 'packer/debian/debian.pkr.hcl'), '')
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env['PATH']}`,
    XDG_CONFIG_HOME: join(home, 'config'),
    PROXMINT_CONFIG: join(project, 'config/proxmint.yaml'),
  }
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const schedule = (...args: string[]) =>
    run(process.execPath, [zx, join(repository, 'scripts/schedule.mts'), ...args], { cwd: project, env })
  const units = join(home, 'config/systemd/user')
  expect((await schedule('install', '--dry-run')).stdout).toContain('would write:')
  await expect(readdir(units)).rejects.toThrow('ENOENT')
  expect((await schedule('install')).stdout).toContain('installed 6 units')
  expect(await readFile(join(units, 'proxmint-gc.service'), 'utf8')).toContain(
    `\nWorkingDirectory=${project}\n`,
  )
  await rm(join(project, 'packer/debian'), { recursive: true })
  expect((await schedule('remove')).stdout).toContain('removed 6 units')
  expect(await readdir(units)).toEqual([])
  expect(await readFile(join(home, 'calls'), 'utf8')).toBe(
    [
      '--user daemon-reload',
      '--user enable --now proxmint-gc.timer proxmint-rebuild.timer proxmint-reconcile.timer',
      '--user disable --now proxmint-gc.timer proxmint-rebuild.timer proxmint-reconcile.timer',
      '--user daemon-reload',
      '',
    ].join('\n'),
  )
})
