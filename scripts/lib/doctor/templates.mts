import type { VmSummary } from '../proxmox/list-vms.mts'
import { counted } from '../run/counted.mts'
import { channelOf, type Families, type TemplateVersion, versionsOf } from '../templates/version.mts'
import type { Facts } from './facts.mts'
import { about, type Finding, ok } from './finding.mts'

/** Base VMs and VM templates: what the families and the lockfile name, held against Proxmox. */
export function templateFindings(facts: Facts): Finding[] {
  const { vms, versions } = facts
  // A missing permission must never look like a missing VM.
  if ('value' in vms && hidesVms(facts)) {
    const what = 'not looked at: VM.Audit is missing, so VMs that are there may not be seen'
    return [
      { area: 'base images', level: 'unknown', what },
      { area: 'templates', level: 'unknown', what },
    ]
  }
  return [
    ...about('base images', vms, there => baseImages(facts, there)),
    ...about('templates', versions, families =>
      about('templates', vms, there => templates(families, facts.defaultFamily, there)),
    ),
  ]
}

function hidesVms({ permissions }: Facts): boolean {
  return permissions.some(
    one =>
      'value' in one &&
      one.value.verdict.report.missing.some(({ add }) =>
        add.some(({ privilege }) => privilege === 'VM.Audit'),
      ),
  )
}

function baseImages({ families }: Facts, vms: VmSummary[]): Finding[] {
  const wanted = families.flatMap(one =>
    'value' in one && one.value.baseName !== undefined
      ? [{ os: one.value.os, name: one.value.baseName }]
      : [],
  )
  const there = wanted.filter(({ name }) => vms.some(vm => vm.name === name && vm.template === 1))
  const missing = wanted.filter(one => !there.includes(one))
  const known = there.length === 0 ? [] : [ok('base images', there.map(({ name }) => name).join(', '))]
  return [
    ...known,
    ...missing.map(({ os, name }): Finding => {
      const fix = `zx scripts/base.mts import ${name.replace('proxmint-base-', '')}`
      return { area: 'base images', level: 'note', what: `${name}, of ${os}, is not imported yet`, fix }
    }),
  ]
}

function templates(families: Families, defaultFamily: string | undefined, vms: VmSummary[]): Finding[] {
  const found = Object.entries(families).flatMap(([os, family]) =>
    versionsOf(family).flatMap(version => [
      ...copies(os, version, channelOf(family, version.name), vms),
      ...(family.current === version ? revoked(os, version) : []),
    ]),
  )
  const count = Object.values(families).flatMap(versionsOf).length
  const well =
    found.length === 0
      ? [ok('templates', `${counted(count, 'version')} in the lockfile, all in Proxmox`)]
      : []
  return [...well, ...found, ...notBuilt(families, defaultFamily)]
}

function copies(
  os: string,
  { name, copies }: TemplateVersion,
  channel: string | undefined,
  vms: VmSummary[],
): Finding[] {
  return copies.flatMap(({ vmid, node }): Finding[] => {
    const vm = vms.find(candidate => candidate.vmid === vmid)
    if (vm?.name === name && vm.template === 1) return []
    const what = `VM ${vmid} on ${node} is to be ${name}, ${channel ?? 'retired'}, and ${describe(vm)}`
    if (channel === undefined) {
      return [{ area: 'templates', level: 'note', what, fix: `zx scripts/templates.mts prune ${os}` }]
    }
    return [{ area: 'templates', level: 'fault', what, fix: remedy(os, channel, vmid, name) }]
  })
}

function describe(vm: VmSummary | undefined): string {
  if (vm === undefined) return 'is not in Proxmox'
  return vm.template === 1 ? `is named ${vm.name}` : `is ${vm.name}, no VM template`
}

function remedy(os: string, channel: string, vmid: number, name: string): string {
  const build = `zx scripts/build.mts ${os}`
  const back = channel === 'current' ? `, or zx scripts/templates.mts rollback ${os}` : ''
  return `give it back its name, as root on the node: qm set ${vmid} --name ${name}; is it gone: ${build}${back}`
}

function revoked(os: string, { name, revoked }: TemplateVersion): Finding[] {
  if (revoked === undefined) return []
  const what = `${name}, the current version of ${os}, is revoked: ${revoked.reason}`
  const fix = `zx scripts/templates.mts rollback ${os}, or build a new one: zx scripts/build.mts ${os}`
  return [{ area: 'templates', level: 'fault', what, fix }]
}

function notBuilt(families: Families, os: string | undefined): Finding[] {
  if (os === undefined || (families[os]?.current ?? null) !== null) return []
  const what = `${os}, which config/vm.yaml makes VMs from, has no current version yet`
  return [{ area: 'templates', level: 'note', what, fix: `zx scripts/build.mts ${os}` }]
}
