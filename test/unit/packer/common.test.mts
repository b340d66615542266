/** The scripts that families share, and families of a fork that share none. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadFamily } from '../../../scripts/lib/packer/family.mts'
import { inputDigests } from '../../../scripts/lib/packer/input-digest.mts'
import { writePackagedCopy } from '../../../scripts/lib/packer/packaged-copy.mts'
import { checkRules } from '../../../scripts/lib/packer/rules.mts'
import { listFamilies, loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { temporaryFolder } from '../temporary.mts'

const run = promisify(execFile)
const families = await listFamilies()

/** The shared files by the family that names them, as the digest of its inputs sees them. */
async function sharedBy(os: string): Promise<string[]> {
  const { inputs } = await inputDigests(await loadTemplate(os), {})
  return Object.keys(inputs).filter(name => name.startsWith('file ../'))
}

const shared = (...names: string[]) => names.map(name => `file ../common/${name}.sh`)

describe('packer/common', () => {
  test.each<[string, string[]]>([
    ['arch', shared('check-cloud-init', 'clean-up', 'close-ports')],
    ['debian', shared('check-cloud-init', 'clean-up', 'close-ports')],
    ['debian-web3', shared('check-cloud-init', 'clean-up', 'close-ports')],
    ['nixos', shared('check-cloud-init', 'clean-up')],
    ['talos', []],
    ['ubuntu', shared('check-cloud-init', 'clean-up', 'close-ports')],
    ['windows', []],
  ])('what %s has of it', async (os, names) => {
    expect(await sharedBy(os)).toEqual(names)
  })

  test('no family has a copy of a shared script', async () => {
    const names = await readdir('packer/common')
    expect(names.sort()).toEqual(['README.md', 'check-cloud-init.sh', 'clean-up.sh', 'close-ports.sh'])
    const below = await Promise.all(families.map(os => readdir(`packer/${os}`, { recursive: true })))
    const copies = below
      .flat()
      .filter(path => names.includes(path.split('/').at(-1)!) && path.endsWith('.sh'))
    expect(copies).toEqual([])
  })

  test.each(families)('the copy of %s for the packaged Packer has every file that it names', async os => {
    const target = join(await temporaryFolder(), 'copy')
    const { folder } = await writePackagedCopy(await loadTemplate(os), target)
    const text = await readFile(join(folder, `${os}.pkr.hcl`), 'utf8')
    const paths = [...text.matchAll(/\$\{path\.root\}\/([^"]+)/g)].map(([, path]) => path!)
    expect(paths.filter(path => path.startsWith('../'))).toHaveLength((await sharedBy(os)).length)
    for (const path of paths) expect(await readdirOrRead(join(folder, path)), path).not.toHaveLength(0)
  })
})

const readdirOrRead = (path: string) => (path.endsWith('/') ? readdir(path) : readFile(path))

/** No other program is there: what the script would delete is written down, and nothing is deleted. */
const recorded = 'rm truncate find cloud-init apt-get gpgconf journalctl userdel sync'.split(' ')

/** Runs the clean-up on a machine with this os-release; gives its commands, and the word it writes to machine-id. */
async function cleanUp(osRelease: string): Promise<{ commands: string[]; machineId: string }> {
  const folder = await temporaryFolder()
  const [bin, log, machineId] = ['bin', 'log', 'machine-id'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await mkdir(bin)
  for (const name of recorded) {
    await writeFile(join(bin, name), `#!/bin/sh\necho "\${0##*/} $*" >>${log}\n`)
    await chmod(join(bin, name), 0o755)
  }
  await writeFile(join(folder, 'os-release'), osRelease)
  await writeFile(machineId, '')
  const script = (await readFile('packer/common/clean-up.sh', 'utf8'))
    .replace('. /etc/os-release', `. ${folder}/os-release`)
    .replace('>/etc/machine-id', `>${machineId}`)
  // Nothing that this machine has may be written: programs are recorded, so only redirections are left.
  const targets = script.match(/>\s*\/(?!dev\/null)\S+/g) ?? []
  expect(targets.filter(target => target !== `>${machineId}`)).toEqual([])
  await writeFile(join(folder, 'clean-up.sh'), script)
  // -f: patterns stay as they are written.
  await run('/bin/sh', ['-f', join(folder, 'clean-up.sh')], { env: { PATH: bin, BUILD_USER: 'packer' } })
  const commands = (await readFile(log, 'utf8')).trimEnd().split('\n')
  // Whether it comes to this depends on the machine the test runs on.
  const certain = commands.filter(command => command !== 'truncate -s 0 /etc/resolv.conf')
  return { commands: certain, machineId: (await readFile(machineId, 'utf8')).trim() }
}

/** The lab builds neither Arch nor NixOS: here the clean-up runs for them, with recorded programs. */
describe('the clean-up asks the system', () => {
  const before = [
    'rm -f /etc/ssh/ssh_host_*',
    'truncate -s 0 /etc/machine-id',
    'rm -f /var/lib/dbus/machine-id',
    'rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret',
    'rm -rf /var/lib/dhcp/* /var/lib/dhcpcd/*',
    'cloud-init clean --logs --seed',
  ]
  const after = [
    'rm -rf /var/tmp/*',
    'journalctl --relinquish-var',
    'rm -rf /var/log/journal/*',
    'rm -f /etc/sudoers.d/90-cloud-init-users',
    'rm -f /root/.ssh/authorized_keys /root/.bash_history',
    'userdel --force --remove packer',
    'sync',
  ]
  const apt = ['apt-get clean', 'rm -rf /var/lib/apt/lists/*']
  const pacman = [
    'find /var/cache/pacman/pkg -mindepth 1 -delete',
    'rm -rf /var/lib/pacman/sync/*',
    'gpgconf --homedir /etc/pacman.d/gnupg --kill all',
    'rm -rf /etc/pacman.d/gnupg',
  ]

  test.each<[string, string, string[], string]>([
    ['Debian', 'ID=debian\nVERSION_ID="12"\n', apt, ''],
    ['Ubuntu', 'ID=ubuntu\nID_LIKE=debian\n', apt, ''],
    ['a relative of Ubuntu', 'ID=neon\nID_LIKE="ubuntu debian"\n', apt, ''],
    ['Arch', 'ID=arch\n', pacman, 'uninitialized'],
    ['NixOS', 'ID=nixos\nID_LIKE=""\n', [], ''],
    ['a name that only begins alike', 'ID=archcraft\n', [], ''],
  ])('%s', async (_, osRelease, own, machineId) => {
    expect(await cleanUp(osRelease)).toEqual({ commands: [...before, ...own, ...after], machineId })
  })
})

describe('a family of a fork with scripts of its own, from before packer/common', () => {
  const names = ['check-cloud-init.sh', 'close-ports.sh', 'clean-up.sh']

  /** packer/ of today with the family `mine`, which is packer/debian as it was: each script in its own folder. */
  async function fork(): Promise<string> {
    const root = join(await temporaryFolder(), 'packer')
    await cp('packer', root, { recursive: true })
    const folder = join(root, 'mine')
    await cp(join(root, 'debian'), folder, { recursive: true })
    for (const name of names) await cp(join(root, 'common', name), join(folder, 'scripts', name))
    const text = await readFile(join(folder, 'debian.pkr.hcl'), 'utf8')
    await writeFile(join(folder, 'debian.pkr.hcl'), text.replaceAll('/../common/', '/scripts/'))
    return root
  }

  test('is a family, and keeps the rules', async () => {
    const root = await fork()
    expect(await listFamilies(root)).toEqual([...families, 'mine'].sort())
    expect(await checkRules(await loadTemplate('mine', root), await loadFamily('mine', root))).toEqual([])
  })

  test('is built from its own scripts, also by the packaged Packer', async () => {
    const root = await fork()
    const template = await loadTemplate('mine', root)
    const before = await inputDigests(template, {})
    expect(Object.keys(before.inputs).filter(name => name.endsWith('.sh'))).toEqual(
      names.map(name => `file scripts/${name}`).sort(),
    )
    await writeFile(join(root, 'common', 'clean-up.sh'), 'false\n')
    expect(await inputDigests(template, {})).toEqual(before)
    const { folder } = await writePackagedCopy(template, join(root, '../copy'))
    for (const name of names)
      expect(await readFile(join(folder, 'scripts', name), 'utf8')).toBe(
        await readFile(join(root, 'mine', 'scripts', name), 'utf8'),
      )
  })

  // As commit 8a0c136 digested these files. Another digest would build every family of every fork anew.
  test('has the digest it had', async () => {
    const folder = join(await temporaryFolder(), 'mine')
    await mkdir(join(folder, 'scripts'), { recursive: true })
    const provisioner = '  provisioner "shell" {\n    script = "${path.root}/scripts/clean-up.sh"\n  }\n'
    await writeFile(join(folder, 'mine.pkr.hcl'), `build {\n${provisioner}}\n`)
    await writeFile(join(folder, 'scripts/clean-up.sh'), 'true\n')
    expect(await inputDigests({ folder }, { a: '1' })).toEqual({
      digest: '35ccdd1047f82db740b3433e19aac6208b353b3db68f01fa0296e89b57585994',
      inputs: {
        'file mine.pkr.hcl': 'aff4a9a78b29',
        'file scripts/clean-up.sh': 'a17fcf0a2f50',
        'variable a': '6b86b273ff34',
      },
    })
  })
})
