import { imageOfBase } from '../../build/base/description.mts'
import type { VmSummary } from '../../proxmox/list-vms.mts'
import type { WorkVerdict } from '../../site/work-permissions.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, judgeLook, ok } from '../diagnosis.mts'
import type { LoadedFamily } from '../families.mts'
import { hidden, hidesVms } from '../hidden.mts'
import { type Look, lookAt } from '../look.mts'

interface BaseImageFacts {
  families: Look<Pick<LoadedFamily, 'os' | 'baseName'>>[]
  vms: Look<VmSummary[]>
  permissions: Look<WorkVerdict>[]
}

/** Base VMs that the families name, against Proxmox. */
export const baseImages: DoctorCheck<BaseImageFacts> = {
  area: 'base images',
  look: ({ families, vms, permissions }) =>
    lookAt(async () => ({ families: await families, vms: await vms, permissions: await permissions })),
  judge: facts =>
    hidesVms(facts)
      ? [hidden('base images')]
      : judgeLook('base images', facts.vms, vms => judgeBases(facts.families, vms)),
}

function judgeBases(families: BaseImageFacts['families'], vms: VmSummary[]): Diagnosis[] {
  const bases = families.flatMap(one =>
    'value' in one && one.value.baseName !== undefined
      ? [{ os: one.value.os, name: one.value.baseName }]
      : [],
  )
  const imported = bases.filter(({ name }) => vms.some(vm => vm.name === name && vm.template === 1))
  const missing = bases.filter(one => !imported.includes(one))
  return [
    ...(imported.length === 0 ? [] : [ok('base images', imported.map(({ name }) => name).join(', '))]),
    ...missing.map(({ os, name }): Diagnosis => {
      const off = vms.find(vm => vm.status === 'unknown')
      if (off !== undefined) {
        const what = `not looked at: ${name}, of ${os}, may be on ${off.node}, which says nothing about its VMs`
        return { area: 'base images', level: 'unknown', what }
      }
      const fix = `zx scripts/base.mts import ${imageOfBase(name)}`
      return { area: 'base images', level: 'note', what: `${name}, of ${os}, is not imported yet`, fix }
    }),
  ]
}
