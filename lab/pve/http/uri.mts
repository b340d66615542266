/** Query strings and forms. */

import { decodePercent } from '../core/percent.mts'

/** Reads the bytes of a value as UTF-8. */
function decodeValue(value: string): string {
  return Buffer.from(decodePercent(value.replaceAll('+', ' ')), 'latin1').toString('utf8')
}

/** Values of a request before the schema is known. A key without a value, and `null` in JSON, is undefined. */
export type Sent = Record<string, unknown>

/**
 * Parses a query string or a form. `&` and `;` separate the parts, and a second `=` ends the value. A key that occurs
 * twice becomes a list (`decode_urlencoded` in PVE/APIServer/AnyEvent.pm).
 * @param form bytes as Latin-1.
 */
export function parseForm(form: string): Sent {
  const sent: Sent = Object.create(null)
  for (const part of form.split(/[&;]/).filter(Boolean)) {
    const [key = '', value] = part.split('=')
    const name = decodePercent(key.replaceAll('+', ' '))
    const before = sent[name]
    sent[name] =
      value === undefined || before === undefined
        ? value && decodeValue(value)
        : [before, decodeValue(value)].flat()
  }
  return sent
}
