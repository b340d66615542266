import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Family, loadFamily } from '../../../scripts/lib/packer/family.mts'
import { checkRules } from '../../../scripts/lib/packer/rules.mts'
import { listFamilies, loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { changedMinimal } from './minimal-template.mts'

const families = await listFamilies()

const acceptance = 'acceptance:\n  login: none\n  agent: false\n  ports: []\n  packages: none\n'

/** A family `x` with this `family.yaml`; undefined: with none. */
async function familyRoot(text: string | undefined): Promise<string> {
  const root = await temporaryFolder()
  await mkdir(join(root, 'x'))
  if (text !== undefined) await writeFile(join(root, 'x', 'family.yaml'), text)
  return root
}

const load = async (text: string): Promise<Family> => loadFamily('x', await familyRoot(text))

describe('family.yaml', () => {
  test('the least there can be', async () => {
    const family = await load(acceptance)
    expect(family).toMatchObject({ os: 'x', exemptions: {}, exemptionLines: {}, places: undefined })
    expect(family.acceptance).toEqual({ login: 'none', agent: false, ports: [], packages: 'none' })
  })

  test('every key', async () => {
    const text = [
      'firmware: uefi',
      'secure_boot: true',
      'tpm: false',
      'exemptions:',
      '  # a comment',
      '  full-clone: there is nothing to clone',
      'acceptance: { login: ssh, user: admin, agent: true, ports: [22, 8080], packages: dpkg }',
      'places:',
      '  - { node: pve1, storage: local-lvm }',
      '',
    ].join('\n')
    expect(await load(text)).toMatchObject({
      exemptions: { 'full-clone': 'there is nothing to clone' },
      exemptionLines: { 'full-clone': 6 },
      firmware: { kind: 'uefi', secureBoot: true, tpm: false },
      acceptance: { login: 'ssh', user: 'admin', agent: true, ports: [22, 8080], packages: 'dpkg' },
      places: [{ node: 'pve1', storage: 'local-lvm' }],
    })
  })

  test.each<[string, string, string]>([
    ['a misspelt key', `${acceptance}place: []\n`, 'line 6: place is not a known key; did you mean places?'],
    [
      'secure boot without UEFI',
      `${acceptance}secure_boot: true\n`,
      'line 6: secure_boot needs firmware: uefi',
    ],
    ['no acceptance', 'exemptions: {}\n', "line 1: the file must have required property 'acceptance'"],
    [
      'an unknown login',
      acceptance.replace('none', 'telnet'),
      'line 2: acceptance.login must be one of ssh, none, not telnet',
    ],
    [
      'no reason',
      `exemptions:\n  full-clone: ""\n${acceptance}`,
      'line 2: exemptions.full-clone must NOT have fewer than 10 characters, not ""',
    ],
    [
      'a port that is none',
      acceptance.replace('[]', '[0]'),
      'line 4: acceptance.ports.0 must be >= 1, not 0',
    ],
    ['no place', `${acceptance}places: []\n`, 'line 6: places must NOT have fewer than 1 items'],
    [
      'a place without a storage',
      `${acceptance}places:\n  - node: pve1\n`,
      "line 7: places.0 must have required property 'storage'",
    ],
  ])('%s', async (_, text, fault) => {
    const failure = await failureOf(() => load(text))
    expect(failure).toMatchObject({
      exitCode: 3,
      hint: 'packer/debian/family.yaml in the repository explains every key and its default',
    })
    expect(failure.message).toMatch(/x\/family\.yaml is invalid:\n/)
    expect(failure.message.split('\n').slice(1)).toEqual([`  - ${fault}`])
  })

  test('that is missing', async () => {
    const root = await familyRoot(undefined)
    expect(await failureOf(() => loadFamily('x', root))).toMatchObject({
      message: `${root}/x/family.yaml is missing`,
      hint: 'every template family has one; copy packer/debian/family.yaml, which is commented',
      exitCode: 3,
    })
  })
})

/** The reasons are those of this list, so that a new one is a decision. */
test('who is exempt from what', async () => {
  const all = await Promise.all(families.map(os => loadFamily(os)))
  const exempt = all.flatMap(({ os, exemptions }) => Object.keys(exemptions).map(rule => `${os}: ${rule}`))
  expect(exempt.sort()).toEqual([
    'talos: valid-exit-codes',
    'windows: full-clone',
    'windows: valid-exit-codes',
  ])
})

describe('exemptions', () => {
  const without = (names: string[]) => ({
    file: 'packer/x/family.yaml',
    exemptions: Object.fromEntries(names.map(name => [name, 'because it is so'])),
    exemptionLines: Object.fromEntries(names.map((name, index) => [name, index + 2])),
  })
  const invalid = 'test/fixtures/invalid/packer'
  const linked = () => changedMinimal('full_clone = true', 'full_clone = false')
  const found = async (os: string, root: string, names: string[]) => {
    const template = await loadTemplate(os, root)
    return (await checkRules(template, without(names))).map(({ rule, file, line, what, fix }) =>
      [rule, `${file.split('/').at(-1)}:${line}`, what, fix].join(' | '),
    )
  }

  test('excuse every violation of their rule and no other', async () => {
    expect(await found('x', await linked(), ['full-clone'])).toEqual([])
    expect((await found('earlier-state', invalid, ['token-format'])).map(one => one.split(' ')[0])).toEqual([
      'valid-exit-codes',
    ])
  })

  test('from a rule that is kept', async () => {
    expect(await found('x', await linked(), ['full-clone', 'sensitive'])).toEqual([
      'exemption | family.yaml:3 | exemption from sensitive, which the template does not break | remove the exemption',
    ])
  })

  test('from a rule that does not exist', async () => {
    expect(await found('x', await linked(), ['full-clones', 'full-clone', 'whatever'])).toEqual([
      'exemption | family.yaml:2 | exemption from full-clones, which is not a rule | write `full-clone`',
      'exemption | family.yaml:4 | exemption from whatever, which is not a rule | remove the exemption',
    ])
  })
})

test('the seven families', async () => {
  expect(families.toSorted()).toEqual([
    'arch',
    'debian',
    'debian-web3',
    'nixos',
    'talos',
    'ubuntu',
    'windows',
  ])
})

/** Windows' installer breaks off at a longer one, without saying why. */
test.each(['autounattend.xml.pkrtpl', 'cloudbase-init/unattend.xml'])(
  "no command of windows' %s is longer than 259 characters",
  async file => {
    const text = await readFile(`packer/windows/${file}`, 'utf8')
    const commands = [...text.matchAll(/<Path>(.*)<\/Path>/g)].map(([, path]) =>
      path!.replaceAll('&amp;', '&'),
    )
    expect(commands).not.toEqual([])
    expect(commands.filter(command => command.length > 259)).toEqual([])
  },
)

test('the image of nixos has the cloud-init that the build asks, and takes itself for NixOS', async () => {
  const text = await readFile('packer/nixos/configuration.nix', 'utf8')
  expect(text).toMatch(/environment\.systemPackages = \[[^\]]*pkgs\.cloud-init/)
  expect(text).toMatch(/system_info = \{\s+distro = "nixos";/)
})

/** In PowerShell 5.1 a line on a redirected stderr is an error, which ends a script that stops at errors. */
test('no script of windows redirects the stderr of a program in PowerShell itself', async () => {
  const names = await readdir('packer/windows/scripts')
  const texts = await Promise.all(names.map(name => readFile(`packer/windows/scripts/${name}`, 'utf8')))
  expect(texts.join('\n')).toContain("$ErrorActionPreference = 'Stop'")
  expect(texts.filter(text => text.includes('2>$null') || text.includes('2>&1'))).toEqual([])
})

/** Each block of this type and its label: `variable "cores" {...}` by `cores`. */
function blocksOf(type: string, text: string): [name: string, block: string][] {
  const pattern = new RegExp(`^${type} "([^"]+)".*\\{\\n[\\s\\S]*?^\\}$`, 'gm')
  return [...text.matchAll(pattern)].map(([block, name]) => [name!, block])
}

describe('what several families have', () => {
  const connection = [
    'proxmox_url',
    'proxmox_username',
    'proxmox_token',
    'proxmox_node',
    'proxmox_storage_pool',
    'proxmox_skip_tls_verify',
  ]
  /** Whose variable is another than that of debian, though it has its name. */
  const others = [
    ...families.map(os => `${os}: template_name`),
    'debian-web3: template_vmid',
    'windows: cores',
    'windows: memory',
    'windows: proxmox_storage_pool',
    'windows: task_timeout',
  ].filter(other => !other.startsWith('debian:'))

  test('variables by one name are one, each in every folder', async () => {
    const variables = async (os: string) =>
      blocksOf('variable', await readFile(`packer/${os}/variables.pkr.hcl`, 'utf8'))
    const ofDebian = new Map(await variables('debian'))
    const different: string[] = []
    for (const os of families) {
      const own = await variables(os)
      expect(own.map(([name]) => name).slice(0, connection.length), os).toEqual(connection)
      for (const [name, block] of own)
        if ((ofDebian.get(name) ?? block) !== block) different.push(`${os}: ${name}`)
    }
    expect(different.sort()).toEqual(others.sort())
  })

  test('families with a shell are cloned and entered in one way', async () => {
    const sources = await Promise.all(
      ['debian', 'ubuntu', 'arch', 'nixos', 'debian-web3'].map(async os => {
        const [[, block] = ['', '']] = blocksOf(
          'source',
          await readFile(`packer/${os}/${os}.pkr.hcl`, 'utf8'),
        )
        return block
          .split('\n')
          .filter(line => !/^(source | {2}(clone_vm|template_description|vm_id) )/.test(line))
      }),
    )
    expect(sources[0]).toContain('  full_clone = true')
    expect(new Set(sources.map(lines => lines.join('\n'))).size).toBe(1)
  })

  test.each(families)('%s has all its files', async os => {
    const files = await readdir(`packer/${os}`)
    expect(files).toEqual(
      expect.arrayContaining([
        `${os}.pkr.hcl`,
        'variables.pkr.hcl',
        `${os}.auto.pkrvars.hcl.example`,
        'README.md',
        'family.yaml',
      ]),
    )
  })
})

test.each(families)('%s keeps every rule but those it says', async os => {
  expect(await checkRules(await loadTemplate(os), await loadFamily(os))).toEqual([])
})
