import { randomBytes } from 'node:crypto'
import { registerSecret } from '../run/redact.mts'
import type { Template } from './template.mts'

const VARIABLE = 'build_password'

/**
 * Generates and registers a random password for one build, if the template declares the variable `build_password`: a
 * build of Windows logs in with a password. Windows requires letters of both cases, digits and a special character. No
 * character has a meaning in XML or PowerShell.
 */
export function buildPassword({ variables }: Pick<Template, 'variables'>): Record<string, string> {
  if (!variables.some(({ name }) => name === VARIABLE)) return {}
  const password = `aA1-${randomBytes(16).toString('hex')}`
  registerSecret(password)
  return { [VARIABLE]: password }
}
