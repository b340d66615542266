import { exitCodes, type Facts, messageOf, ProxmintError } from '../run/errors.mts'
import type { Gathered } from './facts.mts'

export const areas = [
  'tools',
  'disk',
  'config',
  'credentials',
  'Proxmox VE',
  'clock',
  'permissions',
  'node',
  'storages',
  'bridges',
  'families',
  'base images',
  'templates',
  'node SSH',
  'chain',
  'registry',
] as const
export type Area = (typeof areas)[number]

/** One thing that was looked at. */
export interface Finding {
  area: Area
  /** `note`: not done yet, or soon a fault. `unknown`: it could not be looked at. */
  level: 'ok' | 'note' | 'fault' | 'unknown'
  what: string
  facts?: Facts
  /** What to do; commands where there are any. */
  fix?: string | undefined
  /** Of a fault: whether it is one of credentials or privileges. */
  denied?: boolean
}

export function ok(area: Area, what: string): Finding {
  return { area, level: 'ok', what }
}

/** A failure as a finding. */
export function faultOf(area: Area, error: unknown, denied = false): Finding {
  const fault: Finding = { area, level: 'fault', what: messageOf(error), denied }
  if (!(error instanceof ProxmintError)) return fault
  return {
    ...fault,
    facts: error.facts,
    ...(error.hint !== undefined && { fix: error.hint }),
    denied: denied || error.exitCode === exitCodes.denied,
  }
}

/** What one look brought: `judge` where it found anything. */
export function about<T>(
  area: Area,
  gathered: Gathered<T>,
  judge: (value: T) => Finding[],
  denied = false,
): Finding[] {
  if ('value' in gathered) return judge(gathered.value)
  if ('error' in gathered) return [faultOf(area, gathered.error, denied)]
  return [{ area, level: 'unknown', what: `not looked at: ${gathered.lacks}` }]
}
