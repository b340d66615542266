import type { HclValue, Template } from './template.mts'

/**
 * Evaluates a literal, or text with variables whose values are known. Variables are looked up in Packer's order.
 * @param given Values for Packer's `-var`.
 * @returns Undefined if only Packer can evaluate it.
 */
export function resolveValue(
  template: Template,
  value: HclValue | undefined,
  given: Record<string, string> = {},
  env: NodeJS.ProcessEnv = process.env,
): string | number | boolean | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value !== 'string') return undefined
  const environment = /^\$\{env\("(\w+)"\)\}$/.exec(value)
  if (environment !== null) return env[environment[1]!] ?? ''
  const reference = /^\$\{var\.(\w+)\}$/.exec(value)
  if (reference === null) return value.includes('${') ? interpolate(template, value, given, env) : value
  const name = reference[1]!
  const assigned = given[name] ?? template.overrides[name] ?? env[`PKR_VAR_${name}`]
  if (typeof assigned === 'string') return assigned
  const declared = template.variables.find(variable => variable.name === name)?.default
  // Packer allows no variable in a default. Following one could loop for ever.
  if (typeof declared === 'string' && declared.includes('${var.')) return undefined
  return resolveValue(template, assigned ?? declared, given, env)
}

/** Evaluates `base-${var.release}`; undefined if a variable is unknown. */
function interpolate(
  template: Template,
  text: string,
  given: Record<string, string>,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const parts = text
    .split(/(\$\{var\.\w+\})/)
    .map(part => (/^\$\{var\.\w+\}$/.test(part) ? resolveValue(template, part, given, env) : part))
  if (parts.some(part => part === undefined || String(part).includes('${'))) return undefined
  return parts.join('')
}
