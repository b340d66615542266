import { exitCodes, type Facts, messageOf, ProxmintError } from '../run/errors.mts'
import type { Look } from './look.mts'

/** Areas of the doctor, as docs/doctor.md lists them. */
export type Area =
  | 'tools'
  | 'disk'
  | 'config'
  | 'credentials'
  | 'Proxmox VE'
  | 'clock'
  | 'permissions'
  | 'node'
  | 'storages'
  | 'bridges'
  | 'families'
  | 'base images'
  | 'templates'
  | 'node SSH'
  | 'SSH keys'
  | 'chain'
  | 'registry'

/** Statement about one thing that was looked at. */
export interface Diagnosis {
  area: Area
  /** `note`: not done yet, or soon a fault. `unknown`: it could not be looked at. */
  level: 'ok' | 'note' | 'fault' | 'unknown'
  what: string
  facts?: Facts
  /** Remedy, with commands if there are any. */
  fix?: string | undefined
  /** Whether a fault is one of credentials or privileges. */
  denied?: boolean
}

export function ok(area: Area, what: string): Diagnosis {
  return { area, level: 'ok', what }
}

/** Turns a failure into a fault. @param denied whether it is one of credentials or privileges in any case. */
export function faultOf(area: Area, error: unknown, denied = false): Diagnosis {
  const fault: Diagnosis = { area, level: 'fault', what: messageOf(error), denied }
  if (!(error instanceof ProxmintError)) return fault
  return {
    ...fault,
    facts: error.facts,
    ...(error.hint !== undefined && { fix: error.hint }),
    denied: denied || error.exitCode === exitCodes.denied,
  }
}

/** Turns each error into a fault; without errors the area is well. */
export function faultsOr(area: Area, errors: unknown[], well: string): Diagnosis[] {
  return errors.length === 0 ? [ok(area, well)] : errors.map(error => faultOf(area, error))
}

/** Judges the value of a look. A failed look is a fault, and one that could not begin is unknown. */
export function judgeLook<T>(
  area: Area,
  look: Look<T>,
  judge: (value: T) => Diagnosis[],
  denied = false,
): Diagnosis[] {
  if ('value' in look) return judge(look.value)
  if ('error' in look) return [faultOf(area, look.error, denied)]
  return [{ area, level: 'unknown', what: `not looked at: ${look.lacks}` }]
}

/** Collects the errors of looks. */
export function errorsOf(looks: Look<unknown>[]): unknown[] {
  return looks.flatMap(look => ('error' in look ? [look.error] : []))
}

/** Keeps the first of several diagnoses with the same sentence. */
export function once(diagnoses: Diagnosis[]): Diagnosis[] {
  return diagnoses.filter((one, index) => diagnoses.findIndex(({ what }) => what === one.what) === index)
}
