import type { VmSummary } from '../proxmox/list-vms.mts'
import type { WorkVerdict } from '../site/work-permissions.mts'
import type { Area, Diagnosis } from './diagnosis.mts'
import type { Look } from './look.mts'

/** Whether VMs were listed without the privilege to see all: a missing permission must never look like a missing VM. */
export function hidesVms(facts: { vms: Look<VmSummary[]>; permissions: Look<WorkVerdict>[] }): boolean {
  return 'value' in facts.vms && facts.permissions.some(lacksVmAudit)
}

function lacksVmAudit(permission: Look<WorkVerdict>): boolean {
  if (!('value' in permission)) return false
  const { missing } = permission.value.verdict.report
  return missing.some(({ add }) => add.some(({ privilege }) => privilege === 'VM.Audit'))
}

export function hidden(area: Area): Diagnosis {
  const what = 'not looked at: VM.Audit is missing, so VMs that are there may not be seen'
  return { area, level: 'unknown', what }
}

/** Finds a missing privilege on a path or below it. Without it Proxmox hides what is there. */
export function lackedBelow(path: string, permissions: Look<WorkVerdict>[]): string | undefined {
  const missing = permissions.flatMap(look => ('value' in look ? look.value.verdict.report.missing : []))
  const lacked = missing.flatMap(({ add }) => add).find(({ path: on }) => `${on}/`.startsWith(`${path}/`))
  return lacked?.privilege
}

/** Diagnosis for what Proxmox hides from the identity: the missing privilege is the fault, reported under permissions. */
export function unseen(area: Area, privilege: string, names: string[]): Diagnosis {
  const what = `not looked at: ${names.join(', ')}: ${privilege} is missing, so it may be there without being seen`
  return { area, level: 'unknown', what }
}
