import { type Area, type Diagnosis, judgeLook } from './diagnosis.mts'
import type { Look } from './look.mts'
import type { SharedLooks } from './shared.mts'

/** One row of the doctor's table. */
export interface DoctorCheck<T = unknown> {
  area: Area
  /** Whether a failed look is a fault of credentials or privileges. */
  denied?: boolean
  /** Asks and changes nothing. */
  look(shared: SharedLooks): Promise<Look<T>>
  /** Concludes from the facts alone. */
  judge(facts: T): Diagnosis[]
}

/** Judges what a check found, its failure included. */
export function diagnosesOf<T>({ area, denied, judge }: DoctorCheck<T>, look: Look<T>): Diagnosis[] {
  return judgeLook(area, look, judge, denied)
}
