/** Checks of files that a person wrote. */

import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { LabUsageError } from './lab-error.mts'

/** Returns undefined if the value is right, otherwise a text that says which values are accepted. */
export type Check = (value: unknown) => string | undefined

/** Makes a check. @param accepts text for a wrong value: `a number of GiB above 0`. */
export function accepting(accepts: string, isRight: (value: unknown) => boolean): Check {
  return value => (isRight(value) ? undefined : accepts)
}

/** Makes a check for texts that a pattern matches. */
export function matching(accepts: string, pattern: RegExp): Check {
  return accepting(accepts, value => typeof value === 'string' && pattern.test(value))
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses YAML. @param refuse makes the error from the first line of the parser's message. */
export function parseYaml(text: string, refuse: (reason: string) => LabUsageError): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw refuse((error as Error).message.split('\n')[0]!)
  }
}

/**
 * Reads a file that an option names.
 * @param hint for a file that cannot be read.
 * @param read parses and checks the text.
 * @throws {LabUsageError} whose message begins with the path.
 */
export async function readInput<T>(path: string, hint: string, read: (text: string) => T): Promise<T> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw new LabUsageError(`${path} cannot be read: ${error.message}`, hint, error)
  })
  try {
    return read(text)
  } catch (error) {
    if (!(error instanceof LabUsageError)) throw error
    throw new LabUsageError(`${path}: ${error.message}`, error.hint, error)
  }
}
