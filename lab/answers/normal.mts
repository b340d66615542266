/** What differs from run to run, replaced by words of the format, so that two answers can be compared. */

import type { StepAnswer } from './sequence.mts'

/** A path of a storage's folder here, and the one it has in the recorded answers. */
export type Renamed = readonly (readonly [from: string, to: string])[]

const RULES: readonly (readonly [RegExp, string])[] = [
  [/UPID:([^:]+):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:/g, 'UPID:$1:P:S:T:'],
  [/\b[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b/g, 'UUID'],
  [/\b[0-9A-F]{2}(:[0-9A-F]{2}){5}\b/gi, 'MAC'],
  [/\b[0-9a-f]{40}\b/g, 'SHA1'],
  [/creation-qemu=[^,]+/g, 'creation-qemu=V'],
  [/ctime=\d+/g, 'ctime=N'],
  [/pveupload-[0-9a-f]+/g, 'pveupload-ID'],
  [/tmp_dwnl\.\d+/g, 'tmp_dwnl.N'],
  // What QEMU's own program is called, and where a Perl file says something, is not Proxmox's answer.
  [/qemu-img\.real/g, 'qemu-img'],
  [/ at \/usr\/share\/perl5\/\S+ line \d+\./g, ''],
]

function normalText(text: string, renamed: Renamed): string {
  const here = renamed.reduce((sum, [from, to]) => sum.replaceAll(from, to), text)
  return RULES.reduce((sum, [pattern, word]) => sum.replace(pattern, word), here)
}

function normal(value: unknown, renamed: Renamed): unknown {
  if (typeof value === 'string') return normalText(value, renamed)
  if (Array.isArray(value)) return value.map(each => normal(each, renamed))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [normalText(key, renamed), normal(each, renamed)]),
  )
}

/** Replaces what differs from run to run in an answer. */
export function normalAnswer({ reason, ...answer }: StepAnswer, renamed: Renamed): StepAnswer {
  return { ...(normal(answer, renamed) as Omit<StepAnswer, 'reason'>), reason: normalText(reason, renamed) }
}
