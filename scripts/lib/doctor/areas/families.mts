import type { DoctorCheck } from '../check.mts'
import { errorsOf, faultsOr } from '../diagnosis.mts'
import { type Look, lookAt } from '../look.mts'

/** Templates of packer/ against the rules. */
export const families: DoctorCheck<Look<unknown>[]> = {
  area: 'families',
  look: shared => lookAt(() => shared.families),
  judge: looks =>
    faultsOr('families', errorsOf(looks), `${looks.length} follow the template rules`).map(one =>
      one.level === 'fault' ? { fix: 'correct the file that is named', ...one } : one,
    ),
}
