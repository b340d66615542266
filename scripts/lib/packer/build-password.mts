import { randomBytes } from 'node:crypto'
import { registerSecret } from '../run/redact.mts'
import type { Template } from './template.mts'

/** The variable of a template whose build logs in with a password: Windows has no keys. */
const variable = 'build_password'

/**
 * A password for one build, for the templates that declare `build_password`: random, and in no output. It has
 * letters of both cases, digits and a sign, as Windows insists, and nothing that XML or PowerShell would read.
 */
export function buildPassword({ variables }: Pick<Template, 'variables'>): Record<string, string> {
  if (!variables.some(({ name }) => name === variable)) return {}
  const password = `aA1-${randomBytes(16).toString('hex')}`
  registerSecret(password)
  return { [variable]: password }
}
