/** Every family is valid for the Packers there are; debian-web3, with a package made here, is really built. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { writePackagedCopy } from '../../scripts/lib/packer/packaged-copy.mts'
import { listFamilies, loadTemplate } from '../../scripts/lib/packer/template.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { inGuestByAgent, slowly } from './guest-agent.mts'
import { leftovers } from './leftovers.mts'
import { makePackage } from './web3-package.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

const run = promisify(execFile)
const families = await listFamilies()

/** What a direnv shell and `build` set. */
const environment = {
  CHECKPOINT_DISABLE: '1',
  PROXMOX_URL: 'https://127.0.0.1:1/api2/json',
  PROXMOX_USERNAME: 'terraform@pve!terraform-token',
  PROXMOX_TOKEN: 'c0ffee00-1111-4222-8333-444455556666',
  PROXMOX_PASSWORD: 'planted-password',
  PROXMOX_NODE: 'pve',
  PROXMOX_STORAGE_POOL: 'tank',
  PKR_VAR_build_password: 'aA1-planted',
  PAM_WEB3_PACKAGE: resolve('package.json'),
  PAM_WEB3_PACKAGE_SHA256: '0'.repeat(64),
}

async function validate(packer: string, cwd: string, changes: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { cwd, env: { ...process.env, ...environment, ...changes } }
  const failed = (error: { stdout: string; stderr: string }): string => `${error.stdout}${error.stderr}`
  return run(packer, ['validate', '.'], options).then(() => 'valid', failed)
}

const modern = process.env['PROXMINT_TEST_MODERN_PACKER_PATH']
const skipped =
  'put a Packer 1.10 or newer in PROXMINT_TEST_MODERN_PACKER_PATH (and its plugins in PACKER_PLUGIN_PATH)'
if (modern === undefined)
  process.stderr.write(`SKIPPED: families on a modern Packer; to run them, ${skipped}\n`)

describe.skipIf(modern === undefined)(`a modern Packer (where it is skipped: ${skipped})`, () => {
  test.each(families)('takes %s as it is', async os => {
    expect(await validate(join(modern!, 'packer'), join('packer', os))).toBe('valid')
  })

  test.each(['PAM_WEB3_PACKAGE', 'PAM_WEB3_PACKAGE_SHA256'])('asks for %s', async name => {
    const said = await validate(join(modern!, 'packer'), 'packer/debian-web3', { [name]: '' })
    expect(said).toMatch(new RegExp(`libpam-web3 package: ${name},`))
  })

  test.each(families)('finds %s formatted', async os => {
    const { stdout } = await run(join(modern!, 'packer'), ['fmt', '-check', '-diff', join('packer', os)])
    expect(stdout).toBe('')
  })
})

const packaged = '/usr/bin/packer'
const version = await run(packaged, ['version']).then(
  ({ stdout }) => stdout,
  () => '',
)
const noPackaged = version.startsWith('Packer v1.6.') ? undefined : "install Debian's package packer"
if (noPackaged) process.stderr.write(`SKIPPED: families on the packaged Packer; to run them, ${noPackaged}\n`)

describe.skipIf(noPackaged)(`the packaged Packer (where it is skipped: ${noPackaged})`, () => {
  const inCopy = async (os: string, changes?: NodeJS.ProcessEnv): Promise<string> => {
    const target = await mkdtemp(join(tmpdir(), 'proxmint-copy-'))
    onTestFinished(() => rm(target, { recursive: true, force: true }))
    const { folder } = await writePackagedCopy(await loadTemplate(os), join(target, 'packer'))
    return validate(packaged, folder, changes)
  }

  test.each(families.filter(os => os !== 'windows'))('takes the translated %s', async os => {
    expect(await inCopy(os)).toBe('valid')
  })

  test.each(['PAM_WEB3_PACKAGE', 'PAM_WEB3_PACKAGE_SHA256'])('asks for %s', async name => {
    expect(await inCopy('debian-web3', { [name]: '' })).toMatch(new RegExp(`libpam-web3 package: ${name},`))
  })

  test('says that windows needs a newer one', async () => {
    expect(await inCopy('windows')).toContain('This configuration does not support Packer version 1.6.')
  })
})

describe('on simulated guests: debian-web3', () => {
  let lab: Lab
  let root: ProxmoxClient
  let workspace: Workspace
  let web3: { file: string; sha256: string }

  beforeAll(async () => {
    lab = await startLab()
    root = rootClient(lab)
    workspace = await createWorkspace(lab)
    await workspace.edit('config/proxmint.yaml', '  debian-12:', '  debian-12-web3:')
    web3 = await makePackage(workspace.folder, 'libpam-web3')
    expect(await workspace.zx('base', ['import', 'debian-web3'])).toMatchObject({ code: exitCodes.done })
  })
  afterAll(async () => {
    await workspace?.[Symbol.asyncDispose]()
    await lab?.close()
  })

  const build = (file: string, sha256: string, ...options: string[]): Promise<ExecResult> =>
    workspace.zx('build', ['debian-web3', '--json', ...options], {
      PAM_WEB3_PACKAGE: file,
      PAM_WEB3_PACKAGE_SHA256: sha256,
    })

  /** Logs stay, to be read. */
  const left = async (): Promise<string[]> =>
    (await leftovers(root, workspace)).filter(what => !what.startsWith('logs/'))

  test('of a package that is another than it should be is not built', async () => {
    const { code, stderr } = await build(web3.file, '0'.repeat(64))
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toContain(`the package has the SHA-256 ${web3.sha256}, not ${'0'.repeat(64)}`)
    expect(await left()).toEqual([])
  })

  test('of a package by another name is not built', async () => {
    const other = await makePackage(workspace.folder, 'libpam-web2')
    const { code, stderr } = await build(other.file, other.sha256)
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toContain('the package is libpam-web2, not libpam-web3')
    expect(await left()).toEqual([])
  })

  test('is built, tested and promoted; its clones have the service enabled, and the package is gone', async () => {
    const { code, stdout, stderr } = await build(web3.file, web3.sha256)
    expect(stderr).not.toContain('error:')
    expect(code).toBe(exitCodes.done)
    const { vmid } = (JSON.parse(stdout) as { template: { vmid: number } }).template
    expect(await getVmConfig(root, { node: 'pve', vmid })).toMatchObject({ template: 1 })
    const said = await askClone(vmid, [
      'systemctl is-enabled web3-auth-svc',
      'dpkg -s libpam-web3 | grep -E "^(Status|Version)"',
      'ls /tmp/libpam-web3.deb 2>/dev/null || echo no package left',
    ])
    expect(said).toEqual(['enabled', 'Status: install ok installed\nVersion: 0.4.0', 'no package left'])
  })

  // The same scripts and the same first boot; the lab has no Ubuntu, so its Debian stands in.
  test('and so is ubuntu, on a Debian guest', async () => {
    await workspace.edit('config/proxmint.yaml', '  debian-12-web3:', '  ubuntu-26.04:')
    expect(await workspace.zx('base', ['import', 'ubuntu'])).toMatchObject({ code: exitCodes.done })
    const { code, stdout, stderr } = await workspace.zx('build', ['ubuntu', '--json'])
    expect(stderr).not.toContain('error:')
    expect(code).toBe(exitCodes.done)
    const { vmid } = (JSON.parse(stdout) as { template: { vmid: number } }).template
    expect(await getVmConfig(root, { node: 'pve', vmid })).toMatchObject({
      template: 1,
      name: expect.stringMatching(/^ubuntu-\d{8}-[0-9a-f]{8}$/),
    })
  })

  /** What these commands print, as root in a clone of a VM template. */
  async function askClone(template: number, commands: string[]): Promise<string[]> {
    const vmid = 700
    const finish = (upid: string) => waitForTask(root, upid, { timeoutMs: 120_000 })
    const vm = `/nodes/pve/qemu/${vmid}`
    await finish(await root.request('POST', `/nodes/pve/qemu/${template}/clone`, { newid: vmid, full: 1 }))
    try {
      await finish(await root.request('POST', `${vm}/status/start`))
      await expect
        .poll(() => root.request('POST', `${vm}/agent/ping`).then(() => 'up', String), slowly)
        .toBe('up')
      return await Promise.all(commands.map(command => inGuestByAgent(root, vmid, command)))
    } finally {
      await finish(await root.request('POST', `${vm}/status/stop`))
      await finish(await root.request('DELETE', vm))
    }
  }
})

describe('talos', () => {
  test('is built without a login, by UEFI with a TPM, from an image that was never booted', async () => {
    await using lab = asyncDisposable(await startLab({ guests: 'none', images: [] }))
    await using workspace = await createWorkspace(lab)
    const head = Buffer.alloc(72)
    head.write('QFI\xfb', 'latin1')
    head.writeUInt32BE(2, 4)
    head.writeBigUInt64BE(1024n ** 3n, 24)
    await writeFile(join(workspace.folder, 'talos.qcow2'), head)
    const config = join(workspace.folder, 'config/proxmint.yaml')
    const [start] = (await readFile(config, 'utf8')).split('images:')
    await writeFile(
      config,
      `${start}images:\n  talos:\n    file: talos.qcow2\n    first_boot: none\n    firmware: uefi\n    tpm: true\n`,
    )
    expect(await workspace.zx('base', ['import', 'talos'])).toMatchObject({ code: exitCodes.done })
    const built = await workspace.zx('build', ['talos', '--no-test', '--json', '--var', 'boot_wait=1s'])
    expect(built.stderr).not.toContain('error:')
    expect(built.code).toBe(exitCodes.done)
    const { vmid } = (JSON.parse(built.stdout) as { template: { vmid: number } }).template
    const made = await getVmConfig(rootClient(lab), { node: 'pve', vmid })
    expect(made).toMatchObject({
      ...{ template: 1, machine: 'q35', bios: 'ovmf' },
      efidisk0: expect.stringContaining('efitype=4m,pre-enrolled-keys=0,'),
      tpmstate0: expect.stringContaining('version=v2.0'),
    })
    expect((await workspace.zx('templates', ['list'])).stdout).toContain(' UEFI with TPM 2.0 ')
    // Where it hangs is the plugin's choice.
    expect(Object.values(made).filter(value => String(value).includes('cloudinit'))).toHaveLength(1)
    expect(String(made['agent'])).toMatch(/^0\b|^enabled=0/)
    expect(made).not.toHaveProperty('sshkeys')
  })
})

function asyncDisposable(lab: Lab): Lab & AsyncDisposable {
  return Object.assign(lab, { [Symbol.asyncDispose]: () => lab.close() })
}
