import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { requestFor } from '../../../scripts/lib/tools/setup.mts'
import {
  installLine,
  installPackages,
  missingPackages,
  packagesOfTools,
} from '../../../scripts/lib/tools/system-packages.mts'
import { bareMachine } from './fakes.mts'

const rootOnDebian = { root: true, apt: true }
const userOnDebian = { root: false, apt: true }
const { signal } = new AbortController()

describe('the one line to run', () => {
  test.each([
    [rootOnDebian, 'apt-get install -y mmdebstrap age'],
    [userOnDebian, 'sudo apt-get install -y mmdebstrap age'],
    [{ root: false, apt: false }, 'install what Debian calls: mmdebstrap age'],
  ])('%j', (host, line) => {
    expect(installLine(['mmdebstrap', 'age'], host)).toBe(line)
  })
})

describe('what is missing', () => {
  test('on a bare machine, by group; tools are not among it', async () => {
    await bareMachine()
    const missing = await missingPackages(['demo'], userOnDebian)
    expect(missing).toContain('mmdebstrap')
    expect(missing).toContain('uidmap')
    expect(missing).not.toContain('direnv')
    expect(missing).not.toContain('packer')
    expect(await missingPackages(['test'], userOnDebian)).toContain('direnv')
  })

  test('what is there, however it came, is not missing', async () => {
    const machine = await bareMachine()
    await machine.program('mmdebstrap', 'true')
    await machine.program('python3', 'exit 0')
    const missing = await missingPackages(['demo', 'test'], userOnDebian)
    expect(missing).not.toContain('mmdebstrap')
    expect(missing).not.toContain('python3-venv')
  })

  test('root needs no mapped users', async () => {
    await bareMachine()
    expect(await missingPackages(['demo'], rootOnDebian)).not.toContain('uidmap')
  })
})

test('the packages of tools', () => {
  expect(packagesOfTools(['packer', 'sops', 'age'])).toEqual(['packer', 'age'])
})

describe('installing', () => {
  test('a user who is not root is told the line', async () => {
    await expect(installPackages(['mmdebstrap'], userOnDebian, signal)).rejects.toMatchObject({
      message: 'a system package is missing: mmdebstrap',
      hint: 'sudo apt-get install -y mmdebstrap',
    })
  })

  test('package lists are fetched only when the first attempt fails', async () => {
    const machine = await bareMachine()
    const calls = join(machine.bin, 'calls')
    await machine.program(
      'apt-get',
      `echo "$DEBIAN_FRONTEND $3 $6" >> '${calls}'
[ "$3" = update ] && : > '${calls}.lists'; [ -e '${calls}.lists' ]`,
    )
    await installPackages(['mmdebstrap'], rootOnDebian, signal)
    const attempt = 'noninteractive install mmdebstrap\n'
    expect(await readFile(calls, 'utf8')).toBe(`${attempt}noninteractive update \n${attempt}`)
    await installPackages(['curl'], rootOnDebian, signal)
    expect(await readFile(calls, 'utf8')).toMatch(/install mmdebstrap\nnoninteractive install curl\n$/)
  })

  test('a failure tells what apt-get said last', async () => {
    const machine = await bareMachine()
    await machine.program('apt-get', 'echo "E: Unable to locate package mmdebstrap" >&2; exit 100')
    await expect(installPackages(['mmdebstrap'], rootOnDebian, signal)).rejects.toThrow(
      'a system package is missing: mmdebstrap (apt-get: E: Unable to locate package mmdebstrap)',
    )
  })
})

describe('what a purpose needs', () => {
  test.each([
    ['demo', ['packer', 'sops', 'age', 'opentofu', 'proxmox-provider'], ['demo']],
    ['test', ['packer', 'sops', 'age', 'opentofu', 'proxmox-provider'], ['test']],
    ['qemu', [], ['qemu']],
    ['all', ['packer', 'sops', 'age', 'opentofu', 'proxmox-provider'], ['demo', 'test']],
  ] as const)('%s', (purpose, tools, groups) => {
    expect(requestFor(purpose)).toEqual({ tools, groups })
  })
})
