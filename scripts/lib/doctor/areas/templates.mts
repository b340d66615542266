import type { VmSummary } from '../../proxmox/list-vms.mts'
import { counted } from '../../run/counted.mts'
import { ownValue } from '../../run/own-value.mts'
import type { WorkVerdict } from '../../site/work-permissions.mts'
import {
  channelOf,
  type Families,
  revokedCurrent,
  type TemplateVersion,
  versionsOf,
} from '../../templates/version.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, judgeLook, ok } from '../diagnosis.mts'
import { hidden, hidesVms } from '../hidden.mts'
import { type Look, lookAt, valueIn } from '../look.mts'

interface TemplateFacts {
  lockfile: Look<Families>
  /** Family that VMs are made from by default; undefined if config/vm.yaml cannot be read. */
  defaultFamily: string | undefined
  vms: Look<VmSummary[]>
  permissions: Look<WorkVerdict>[]
}

/** VM templates that the lockfile names, against Proxmox. */
export const templates: DoctorCheck<TemplateFacts> = {
  area: 'templates',
  look: ({ lockfile, defaults, vms, permissions }) =>
    lookAt(async () => ({
      lockfile: await lockfile,
      defaultFamily: valueIn(await defaults)?.template,
      vms: await vms,
      permissions: await permissions,
    })),
  judge: facts =>
    hidesVms(facts)
      ? [hidden('templates')]
      : judgeLook('templates', facts.lockfile, families =>
          judgeLook('templates', facts.vms, vms => judgeFamilies(families, facts.defaultFamily, vms)),
        ),
}

function judgeFamilies(families: Families, defaultFamily: string | undefined, vms: VmSummary[]): Diagnosis[] {
  const versions = Object.entries(families).flatMap(([os, family]) =>
    versionsOf(family).map(version => ({ os, family, version })),
  )
  const found = versions.flatMap(({ os, family, version }) => [
    ...misplacedCopies(os, version, channelOf(family, version.name), vms),
    ...(family.current === version ? revoked(os, version) : []),
  ])
  const well = ok('templates', `${counted(versions.length, 'version')} in the lockfile, all in Proxmox`)
  return [...(found.length === 0 ? [well] : []), ...found, ...notBuilt(families, defaultFamily)]
}

function misplacedCopies(
  os: string,
  { name, copies }: TemplateVersion,
  channel: string | undefined,
  vms: VmSummary[],
): Diagnosis[] {
  return copies.flatMap(({ vmid, node }): Diagnosis[] => {
    const vm = vms.find(candidate => candidate.vmid === vmid)
    if (vm?.name === name && vm.template === 1) return []
    if (vm?.status === 'unknown') return [notKnown(vm, name)]
    const what = `VM ${vmid} on ${node} is to be ${name}, ${channel ?? 'retired'}, and ${describe(vm)}`
    if (channel === undefined) {
      return [{ area: 'templates', level: 'note', what, fix: `zx scripts/templates.mts prune ${os}` }]
    }
    return [{ area: 'templates', level: 'fault', what, fix: remedy(os, channel, vmid, name) }]
  })
}

/** Its node is off, or the VM was moved at this moment. */
function notKnown({ vmid, node }: VmSummary, name: string): Diagnosis {
  const what = `not looked at: VM ${vmid}, which is to be ${name}: ${node} says nothing about it`
  return { area: 'templates', level: 'unknown', what }
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

function revoked(os: string, version: TemplateVersion): Diagnosis[] {
  const fix = `zx scripts/templates.mts rollback ${os}, or build a new one: zx scripts/build.mts ${os}`
  return revokedCurrent(os, version).map(what => ({ area: 'templates', level: 'fault', what, fix }))
}

function notBuilt(families: Families, os: string | undefined): Diagnosis[] {
  if (os === undefined || (ownValue(families, os)?.current ?? null) !== null) return []
  const what = `${os}, which config/vm.yaml makes VMs from, has no current version yet`
  return [{ area: 'templates', level: 'note', what, fix: `zx scripts/build.mts ${os}` }]
}
