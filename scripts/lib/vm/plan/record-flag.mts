/** Reads one record of the command line: `--network bridge=vmbr1,vlan=20`. Pure. */
import type { RecordField } from '../../config/vm-option.mts'
import { usageError } from '../../run/command-line.mts'
import { didYouMean } from '../../run/nearest.mts'
import { TOGGLE_WORDS } from '../flags.mts'

type Fields = Readonly<Record<string, RecordField>>

const command = { name: 'vm' }

/**
 * Reads `key=value,key=value`. A value with a comma needs a fleet file.
 * @throws ProxmintError (usage) for an unknown key, a wrong value, a key that is there twice or a required one that is not.
 */
export function recordOf(flag: string, text: string, fields: Fields): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const part of text.split(',').filter(Boolean)) {
    const at = part.indexOf('=')
    const key = at < 0 ? part : part.slice(0, at)
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (field === undefined) throw unknownKey(flag, key, fields)
    if (at < 0) throw usageError(command, `--${flag} ${text}: \`${key}\` needs a value: ${key}=...`)
    if (Object.hasOwn(record, key)) throw usageError(command, `--${flag} ${text} has \`${key}\` twice`)
    record[key] = fieldValue(flag, key, part.slice(at + 1), field)
  }
  const missing = Object.keys(fields).filter(key => fields[key]!.required && !Object.hasOwn(record, key))
  if (missing.length > 0) throw usageError(command, `--${flag} ${text} needs ${missing.join(' and ')}`)
  return record
}

function unknownKey(flag: string, key: string, fields: Fields) {
  const known = Object.keys(fields)
  return usageError(
    command,
    `--${flag} has no key \`${key}\`${didYouMean(key, known)}; its keys are ${known.join(', ')}`,
  )
}

function fieldValue(flag: string, key: string, text: string, field: RecordField): unknown {
  const wrong = (takes: string) => usageError(command, `--${flag} ${key}=${text}: ${key} takes ${takes}`)
  if (field.kind === 'toggle') {
    if (!(TOGGLE_WORDS as readonly string[]).includes(text)) throw wrong(TOGGLE_WORDS.join(' or '))
    return text === 'on'
  }
  if (field.kind === 'text') {
    const { choices, pattern, wording } = field
    if (choices !== undefined && !choices.includes(text)) throw wrong(choices.join(', '))
    if (text === '' || (pattern !== undefined && !new RegExp(pattern).test(text)))
      throw wrong(wording ?? 'another value')
    return text
  }
  const number = numberWithin(field, text)
  if (number !== undefined) return number
  const { min, max } = field.range
  throw wrong(`a ${field.kind === 'integer' ? 'whole ' : ''}number from ${min} to ${max}`)
}

/** Form of a number. */
export interface NumberForm {
  kind: 'integer' | 'number'
  range: { min: number; max: number }
}

/** Reads a number of the command line; undefined if it is none, or out of the range. */
export function numberWithin({ kind, range: { min, max } }: NumberForm, text: string): number | undefined {
  const number = Number(text)
  const form = kind === 'integer' ? /^\d+$/ : /^\d+(\.\d+)?$/
  return form.test(text) && number >= min && number <= max ? number : undefined
}
