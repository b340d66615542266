/**
 * The one place that makes text from outside fit to be printed: what guests, Proxmox, the chain, files and arguments
 * hold must not steer a terminal, forge a line or fill the screen.
 */

import { stripVTControlCharacters } from 'node:util'
import { redact } from './redact.mts'

/** Longest line. Lines of ours that a person copies, such as those of `pveum`, are shorter. */
const LONGEST_LINE = 4000
const MOST_LINES = 5000
const MOST_CHARACTERS = 1_000_000
/** Longest value in a table or behind a label. */
const LONGEST_VALUE = 1000

/** Control characters (C0 without tab, DEL, C1) and those that turn the direction of text. Letters of all languages stay. */
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** Cleans text of several lines: no secrets, no control characters, at most 5000 lines of at most 4000 characters. */
export function printable(text: string): string {
  const all = text.split(/\r?\n/, MOST_LINES + 1)
  const lines: string[] = []
  for (let left = MOST_CHARACTERS; lines.length < Math.min(all.length, MOST_LINES) && left > 0; ) {
    const line = cleanLine(all[lines.length]!, LONGEST_LINE)
    lines.push(line)
    left -= line.length
  }
  if (lines.length < all.length) lines.push('... (more lines)')
  return lines.join('\n')
}

/** Cleans a value that stands in one line. */
export function printableLine(text: string, longest = LONGEST_VALUE): string {
  return cleanLine(
    text.slice(0, 3 * longest).replaceAll(/\s*[\r\n\t\u2028\u2029]\s*/g, ' '),
    longest,
    text.length,
  )
}

/** @param length Length of the text before it was cut. */
function cleanLine(line: string, longest: number, length = line.length): string {
  // Cut first, so that no pattern runs over megabytes. A secret that this cuts is behind what is shown.
  const bounded = redact(line.slice(0, 2 * longest))
  const clean = redact(
    stripVTControlCharacters(bounded)
      .replaceAll(/[\r\u0085\u2028\u2029]/g, ' ')
      .replaceAll(UNPRINTABLE, ''),
  )
  if (clean.length <= longest && length <= 2 * longest) return clean.toWellFormed()
  return `${clean.slice(0, longest)}... (${length - longest} more characters)`.toWellFormed()
}
