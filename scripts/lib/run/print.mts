/** Writers of standard output. Standard error has `say` and the progress lines. */

import { printable } from './printable.mts'
import { jsonText } from './redact.mts'

/** Prints lines for a person. */
export function printText(text: string): void {
  process.stdout.write(`${printable(text)}\n`)
}

/** Prints a document for programs. @param indent Spaces; 0: one line. */
export function printJson(document: unknown, indent = 2): void {
  process.stdout.write(`${jsonText(document, { indent })}\n`)
}
