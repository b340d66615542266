import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { pins, TOOLS_FOLDER } from '../../../scripts/lib/tools/pins.mts'
import { isAtLeast, versionIn } from '../../../scripts/lib/tools/versions.mts'

describe('the version in what a program prints', () => {
  test.each([
    ['1.6.6\n', '1.6.6'],
    ['Packer v1.15.0', '1.15.0'],
    ['sops 3.13.3 (latest)', '3.13.3'],
    ['v1.3.2', '1.3.2'],
    ['OpenTofu v1.12.6\non linux_amd64', '1.12.6'],
    ['Terraform v1.11.4-dev', '1.11.4'],
    ['go version go1.26.8 linux/amd64', '1.26.8'],
    ['go version go1.19 linux/amd64', '1.19'],
    ['(unknown)', undefined],
    ['', undefined],
  ])('%j -> %s', (output, version) => {
    expect(versionIn(output)).toBe(version)
  })
})

describe('at least', () => {
  test.each([
    ['1.10.0', '1.10.0', true],
    ['1.9.9', '1.10.0', false],
    ['1.10.1', '1.10.0', true],
    ['2.0.0', '1.10.0', true],
    ['1.6.6', '1.10.0', false],
    ['1.21', '1.21.0', true],
    ['1.19', '1.21', false],
  ])('%s against %s: %s', (version, minimum, result) => {
    expect(isAtLeast(version, minimum)).toBe(result)
  })
})

describe('a Go module builds the version that is pinned', () => {
  test.each([
    ['sops', 'github.com/getsops/sops/v3'],
    ['age', 'filippo.io/age'],
    ['opentofu', 'github.com/opentofu/opentofu'],
    ['proxmox-provider', 'github.com/bpg/terraform-provider-proxmox'],
  ] as const)('%s', async (name, module) => {
    const goMod = await readFile(new URL(`go/${name}/go.mod`, TOOLS_FOLDER), 'utf8')
    expect(goMod).toMatch(new RegExp(`^(require |\t)${module} v${pins.tools[name].version}( |$)`, 'm'))
  })
})
