import { withCommonRemedy } from '../../permissions/check.mts'
import { missingLines, remedyHint } from '../../permissions/format.mts'
import type { WorkVerdict } from '../../site/work-permissions.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, judgeLook, ok, once } from '../diagnosis.mts'
import { type Look, lookAt } from '../look.mts'

const area = 'permissions'

/** Privileges that builds, imports and VMs need. */
export const permissions: DoctorCheck<Look<WorkVerdict>[]> = {
  area,
  look: shared => lookAt(() => shared.permissions),
  judge: looks => {
    const works = looks.flatMap(look => ('value' in look ? [look.value] : []))
    const lacking = withCommonRemedy(works.filter(({ verdict }) => verdict.report.missing.length > 0))
    const identities = Map.groupBy(lacking, ({ verdict }) => verdict.report.identity)
    return [
      ...once(looks.flatMap(look => judgeLook(area, look, judgeGranted))),
      ...[...identities].map(([identity, all]) => judgeLacking(identity, all)),
    ]
  },
}

function judgeGranted({ work, verdict: { report } }: WorkVerdict): Diagnosis[] {
  return report.missing.length === 0 ? [ok(area, `${report.identity} may ${work}`)] : []
}

/** Makes one fault of everything that an identity lacks: the commands are the same for all works. */
function judgeLacking(identity: string, works: WorkVerdict[]): Diagnosis {
  const names = works.map(({ work }) => `\`${work}\``).join(', ')
  const missing = works.flatMap(({ verdict }) => verdict.report.missing)
  const what = `${identity} lacks privileges for ${names}:\n${missingLines({ missing }).join('\n')}`
  return { area, level: 'fault', what, fix: remedyHint(works[0]!.verdict.pveum), denied: true }
}
