/** Versions of templates for tests: complete, and valid in a lockfile. */
import { createHash } from 'node:crypto'
import type { TemplateVersion, TestResult } from '../../../scripts/lib/templates/version.mts'

export const passed: TestResult = {
  passed: true,
  at: '2026-11-01T10:05:00.000Z',
  checks: [{ name: 'boots', passed: true, detail: 'in 9 s' }],
}

export const failed: TestResult = {
  passed: false,
  at: '2026-11-01T10:05:00.000Z',
  checks: [
    { name: 'boots', passed: true, detail: 'in 9 s' },
    { name: 'machine-ids', passed: false, detail: 'both are 4711' },
  ],
}

/** @param day of November 2026, also in its name and its VMID. */
export function version(day: number, further: Partial<TemplateVersion> = {}): TemplateVersion {
  const digest = createHash('sha256').update(String(day)).digest('hex')
  const date = String(day).padStart(2, '0')
  return {
    name: `debian-202611${date}-${digest.slice(0, 8)}`,
    digest,
    copies: [{ vmid: 9000 + day, node: 'pve', storage: 'tank', buildId: digest.slice(0, 12) }],
    image: {
      name: 'debian-12',
      url: 'https://images.example.net/debian-12.qcow2',
      checksum: `sha256:${digest}`,
    },
    revision: null,
    inputs: { 'file debian.pkr.hcl': digest.slice(0, 12), packer: '0123456789ab' },
    tools: { packer: '1.15.0', plugin: '1.2.4' },
    builtAt: `2026-11-${date}T10:00:00.000Z`,
    buildSeconds: 61,
    test: passed,
    ...further,
  }
}
