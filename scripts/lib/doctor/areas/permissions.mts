import { missingLines } from '../../permissions/check.mts'
import type { WorkVerdict } from '../../site/work-permissions.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, judgeLook, ok, once } from '../diagnosis.mts'
import { type Look, lookAt } from '../look.mts'

/** Privileges that builds, imports and VMs need. */
export const permissions: DoctorCheck<Look<WorkVerdict>[]> = {
  area: 'permissions',
  look: shared => lookAt(() => shared.permissions),
  judge: looks => once(looks.flatMap(look => judgeLook('permissions', look, judgeWork))),
}

function judgeWork({ work, verdict: { report, pveum } }: WorkVerdict): Diagnosis[] {
  if (report.missing.length === 0) return [ok('permissions', `${report.identity} may ${work}`)]
  const what = `${report.identity} lacks privileges for \`${work}\`:\n${missingLines(report).join('\n')}`
  const fix = `as root on a node:\n${pveum.join('\n')}`
  return [{ area: 'permissions', level: 'fault', what, fix, denied: true }]
}
