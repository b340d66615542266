/** The timers of systemd: what is written, what systemd says of it, what is run. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
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
  const units = await renderUnits({
    manager,
    folder,
    user: 'ann',
    families: ['debian', 'arch'],
    writable: ['/mnt/a b'],
  })
  expect(units.map(({ path }) => basename(path))).toEqual([
    'proxmint-failed@.service',
    ...['gc', 'rebuild', 'reconcile'].flatMap(name => [`proxmint-${name}.service`, `proxmint-${name}.timer`]),
  ])
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
    const units = await renderUnits({
      manager: 'system',
      folder,
      user: 'ann',
      families: ['debian'],
      writable: ['/mnt/a b'],
    })
    const place = await temporaryFolder()
    const files = units.map(({ path }) => join(place, basename(path)))
    await Promise.all(units.map(({ text }, index) => writeFile(files[index]!, text)))
    const { stdout, stderr } = await run(analyze!, ['verify', '--man=no', '--recursive-errors=no', ...files])
    // Of the machine itself it may say something; of ours it says the file's name.
    expect(`${stdout}${stderr}`).not.toContain('proxmint-')
    await writeFile(files[1]!, units[1]!.text.replace('WorkingDirectory=/', 'WorkingDirectory='))
    const broken = run(analyze!, ['verify', '--man=no', '--recursive-errors=no', files[1]!])
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
  expect((await schedule('install')).stdout).toContain('installed 7 units')
  expect(await readFile(join(units, 'proxmint-gc.service'), 'utf8')).toContain(
    `\nWorkingDirectory=${project}\n`,
  )
  await rm(join(project, 'packer/debian'), { recursive: true })
  expect((await schedule('remove')).stdout).toContain('removed 7 units')
  expect(await readdir(units)).toEqual([])
  expect(await readFile(join(home, 'calls'), 'utf8')).toBe(
    [
      '--user daemon-reload',
      '--user daemon-reload',
      '--user enable --now proxmint-gc.timer proxmint-rebuild.timer proxmint-reconcile.timer',
      '--user disable --now proxmint-gc.timer proxmint-rebuild.timer proxmint-reconcile.timer',
      '--user daemon-reload',
      '',
    ].join('\n'),
  )
})

test('under sudo the services may write to the caches of the user who runs them', async () => {
  const project = await temporaryFolder()
  await mkdir(join(project, 'packer/debian'), { recursive: true })
  await writeFile(join(project, 'packer/debian/debian.pkr.hcl'), '')
  const { XDG_CACHE_HOME: _, ...others } = process.env
  const env = { ...others, SUDO_USER: 'daemon', PROXMINT_CONFIG: join(project, 'config/proxmint.yaml') }
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const { stdout } = await run(
    process.execPath,
    [zx, join(repository, 'scripts/schedule.mts'), 'show', '--system'],
    { env },
  )
  const home = (await run('getent', ['passwd', 'daemon'])).stdout.split(':')[5]
  expect(stdout).toContain('User=daemon')
  expect(stdout).toMatch(new RegExp(`^ReadWritePaths=.* "-${home}/.cache" "-${home}/.config/packer"$`, 'm'))
})

/** Files of the units in a folder, with an ordinary project. */
async function writtenUnits(manager: 'user' | 'system'): Promise<{ path: string; text: string }[]> {
  const place = await temporaryFolder()
  const settings = {
    manager,
    folder: '/srv/proxmint',
    user: 'ann',
    families: ['debian'],
    writable: ['/mnt/state'],
  }
  const units = await renderUnits(settings)
  const files = units.map(({ path, text }) => ({ path: join(place, basename(path)), text }))
  for (const { path, text } of files) await writeFile(path, text)
  return files
}

test('each service has a time limit, and its failure is reported', async () => {
  for (const { path, text } of await writtenUnits('user')) {
    if (!path.endsWith('.service')) continue
    expect(text).toMatch(/^TimeoutStartSec=\d/m)
    expect(text).toMatch(/^NoNewPrivileges=yes/m)
    expect(text).not.toMatch(/^(ProtectHome|ReadWritePaths|PrivateTmp)=/m)
    if (!path.includes('failed@')) expect(text).toContain('OnFailure=proxmint-failed@%n.service')
    else expect(text).toContain('journalctl --user -u %i')
  }
})

test('a rebuild sees the builds of other users: `ps` shows their processes', async () => {
  const units = await writtenUnits('system')
  const { text } = units.find(({ path }) => path.endsWith('rebuild.service'))!
  expect(text).not.toMatch(/^ProtectProc=(invisible|noaccess|ptraceable)/m)
})

test('exposure under 3 (systemd-analyze security)', async context => {
  if (analyze === null) context.skip('systemd-analyze is not installed')
  const services = (await writtenUnits('system')).filter(({ path }) => path.endsWith('.service'))
  expect(services).toHaveLength(4)
  for (const { path } of services) {
    const { stdout } = await run(analyze!, ['security', '--offline=yes', '--no-pager', path])
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
    expect(exposure, `${basename(path)}\n${stdout}`).toBeLessThan(3)
  }
})

test('without a systemd that answers, install leaves nothing behind and remove works', {
  timeout: 120_000,
}, async () => {
  const home = await temporaryFolder()
  const project = join(home, 'project')
  await mkdir(join(project, 'packer/debian'), { recursive: true })
  await writeFile(join(project, 'packer/debian/debian.pkr.hcl'), '')
  await mkdir(join(home, 'bin'))
  await writeFile(join(home, 'bin/systemctl'), '#!/bin/sh\necho "Failed to connect to bus" >&2; exit 1\n')
  await chmod(join(home, 'bin/systemctl'), 0o755)
  const env = {
    ...process.env,
    PATH: `${join(home, 'bin')}:${process.env['PATH']}`,
    XDG_CONFIG_HOME: join(home, 'config'),
    PROXMINT_CONFIG: join(project, 'config/proxmint.yaml'),
  }
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const schedule = (verb: string) =>
    run(process.execPath, [zx, join(repository, 'scripts/schedule.mts'), verb], { cwd: project, env })
  const units = join(home, 'config/systemd/user')
  await expect(schedule('install')).rejects.toMatchObject({
    stderr: expect.stringMatching(/Failed to connect to bus[\s\S]*hint: .*enable-linger/),
  })
  await expect(readdir(units)).rejects.toThrow('ENOENT')
  // What an earlier version left there.
  await mkdir(join(units, 'timers.target.wants'), { recursive: true })
  await writeFile(join(units, 'proxmint-gc.timer'), '')
  await symlink(join(units, 'proxmint-gc.timer'), join(units, 'timers.target.wants/proxmint-gc.timer'))
  expect((await schedule('remove')).stdout).toContain('removed 7 units\nwarning: ')
  expect(await readdir(units, { recursive: true })).toEqual(['timers.target.wants'])
})

test('an installation that systemd refuses leaves the units of an earlier one as they were', {
  timeout: 120_000,
}, async () => {
  const home = await temporaryFolder()
  const project = join(home, 'project')
  const units = join(home, 'config/systemd/user')
  for (const folder of [join(project, 'packer/debian'), join(home, 'bin'), units])
    await mkdir(folder, { recursive: true })
  await writeFile(join(project, 'packer/debian/debian.pkr.hcl'), '')
  await writeFile(
    join(home, 'bin/systemctl'),
    '#!/bin/sh\ncase "$*" in *enable*) echo "Unit is masked" >&2; exit 1 ;; esac\n',
  )
  await chmod(join(home, 'bin/systemctl'), 0o755)
  await writeFile(join(units, 'proxmint-gc.timer'), 'of before\n')
  const env = {
    ...process.env,
    PATH: `${join(home, 'bin')}:${process.env['PATH']}`,
    XDG_CONFIG_HOME: join(home, 'config'),
    PROXMINT_CONFIG: join(project, 'config/proxmint.yaml'),
  }
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const install = run(process.execPath, [zx, join(repository, 'scripts/schedule.mts'), 'install'], {
    cwd: project,
    env,
  })
  await expect(install).rejects.toMatchObject({ stderr: expect.stringContaining('Unit is masked') })
  expect(await readdir(units)).toEqual(['proxmint-gc.timer'])
  expect(await readFile(join(units, 'proxmint-gc.timer'), 'utf8')).toBe('of before\n')
})
