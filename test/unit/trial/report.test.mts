import { describe, expect, test } from 'vitest'
import { formatTrial, type TrialReport } from '../../../scripts/lib/trial/report.mts'
import { type SiteNames, scrub } from '../../../scripts/lib/trial/scrub.mts'

const names: SiteNames = {
  node: ['orion', 'orion-2'],
  storage: ['tank', 'tank-ssd', 'vm'],
  user: ['maria@pve', 'maria'],
  host: ['orion.home.lan', 'laptop'],
  VM: ['mail', 'db+1'],
  pool: ['family'],
  bridge: ['vmbr7'],
  path: ['/home/maria/proxmint'],
}

describe('scrub', () => {
  test.each([
    ['a URL', 'GET https://orion.home.lan:8006/api2/json failed'],
    ['nodes, the longer name first', 'nodes/orion-2/qemu and nodes/orion/qemu'],
    ['storages and volumes', 'tank-ssd:vm-9000-disk-0 on tank: full'],
    ['users and tokens', "maria@pve!build lacks it; user 'maria'"],
    ['hosts', 'ssh: connect to host orion.home.lan port 22'],
    ['addresses', '10.0.0.7:22, 192.168.1.250/24, fd00::7, fe80::be24:11ff:fe00:1'],
    ['MACs', 'virtio=BC:24:11:AA:00:01,bridge=vmbr7'],
    ['VMs and pools', 'VM 100 (mail), db+1, pool family'],
    ['paths', 'log: /home/maria/proxmint/.proxmint/logs/x.log, /etc/pve/x, ~/.ssh/id_ed25519'],
    ['keys', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 SHA256:abcdefgh'],
  ])('takes out %s', (_, text) => {
    const scrubbed = scrub(text, names)
    const told = [...Object.values(names).flat(), '10.0.0.7', '192.168', 'fd00', 'fe80', 'BC:24', 'AAAA']
    for (const word of told.filter(one => one !== 'vm')) {
      expect(scrubbed).not.toMatch(new RegExp(`(?<![\\w<])${word.replace('+', '\\+')}(?![\\w>])`))
    }
    expect(scrubbed).not.toContain('abcdefgh')
  })

  test('keeps the rest', () => {
    const text =
      'error: task qmclone of 9000 failed: timeout after 10:30:00\n  why: the storage type is lvmthin, 9.1.2'
    expect(scrub(text, names)).toBe(text)
    expect(scrub('VM.Allocate on /vms/99000 by zx scripts/vm.mts', names)).toBe(
      'VM.Allocate on /vms/99000 by zx scripts/vm.mts',
    )
  })
})

const report: TrialReport = {
  passed: true,
  facts: [['Proxmox VE', '9.1.2, one node']],
  leftOut: [],
  steps: [{ name: 'build', seconds: 12.34 }],
  failure: undefined,
  left: [],
}

test('a report says what passed and how long it took', () => {
  expect(formatTrial(report)).toBe(`### proxmint trial: passed

\`\`\`text
Proxmox VE  9.1.2, one node
\`\`\`

\`\`\`text
   12.3 s  build
   12.3 s  in all
\`\`\`

Nothing of it is left.`)
})

test('a report says where it stopped, what that means and what is left', () => {
  const words = ['error: no', '```', 'hint: do']
  const failure = { step: 'build', exitCode: 1, words, means: 'Packer could not.' }
  const text = formatTrial({
    ...report,
    passed: false,
    failure,
    left: ['VM 99000'],
    leftOut: ['a pool: no'],
  })
  expect(text).toContain('### proxmint trial: failed')
  expect(text).toContain('It stopped at: build (exit code 1). Packer could not.')
  expect(text).toContain("error: no\n'''\nhint: do")
  expect(text).toContain('Not tried:\n- a pool: no')
  expect(text).toMatch(/Left:\n- VM 99000$/)
})
