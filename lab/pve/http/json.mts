/** JSON bodies. */

import { Refused } from './admission.mts'
import { jsonFault } from './json-fault.mts'
import type { Sent } from './uri.mts'

/** Error outside of the API: Perl adds the line of its source. */
function died(message: string, line: number): Refused {
  const text = `${message} at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line ${line}.`
  return new Refused(500, text, `${text}\n`)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decodeText(body: Buffer): string {
  try {
    return utf8.decode(body)
  } catch {
    throw died('malformed UTF-8 character in JSON string', 934)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw died(jsonFault(text), 934)
  }
}

/** Parses a body that must be an object. @throws {Refused} 500 with a plain text, as Proxmox answers. */
export function parseJson(body: Buffer): Sent {
  const parsed = parse(decodeText(body)) ?? {}
  if (typeof parsed === 'string' || typeof parsed === 'number')
    throw died(`Can't use string ("${parsed}") as a HASH ref while "strict refs" in use`, 978)
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw died('Not a HASH reference', 978)
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, value ?? undefined]))
}
