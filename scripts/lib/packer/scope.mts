/** What is known before a build: variables in Packer's order, locals, the environment. */
import { resolve } from 'node:path'
import { evaluate } from './evaluate.mts'
import type { Expression, Scope, Value } from './expression.mts'
import { attributeOf, type BlockNode } from './hcl-source.mts'
import type { Template, Variable } from './template.mts'

/** What a build is given. */
export interface Given {
  /** Values for Packer's `-var`. */
  variables?: Record<string, string>
  /** Default: that of this process. */
  env?: NodeJS.ProcessEnv
}

/**
 * Values that a template can refer to. Variables are looked up in Packer's order: `-var`, `*.auto.pkrvars.*` with the
 * last file first, `PKR_VAR_`, the default.
 */
export function scopeOf(template: Template, { variables = {}, env = process.env }: Given = {}): Scope {
  const asked = new Set<string>()
  const read = (name: string): string => env[name] ?? ''
  const scope: Scope = {
    env: read,
    lookUp(path) {
      const [kind, name = '', ...further] = path
      if (kind === 'path') return pathOf(template, name)
      const key = `${kind}.${name}`
      // A local that refers to itself would be followed for ever.
      if (asked.has(key)) return undefined
      asked.add(key)
      try {
        return inside(named(kind, name), further)
      } finally {
        asked.delete(key)
      }
    },
  }
  // Packer allows no variable in a default.
  const defaults: Scope = { env: read, lookUp: () => undefined }
  function named(kind: string | undefined, name: string): Value | undefined {
    if (kind === 'local') return expressionValue(template, template.locals.get(name)?.text, scope)
    const declared = template.variables.find(variable => variable.name === name)
    if (kind !== 'var' || declared === undefined) return undefined
    return typed(
      declared,
      variables[name] ??
        assignedValue(template, name) ??
        env[`PKR_VAR_${name}`] ??
        expressionValue(template, declared.defaultText, defaults),
    )
  }
  return scope
}

/** Value of an attribute of a block itself; undefined if it is not there, or only Packer can evaluate it. */
export function attributeValue(
  template: Template,
  block: BlockNode,
  name: string,
  scope: Scope,
): Value | undefined {
  return expressionValue(template, attributeOf(block, name)?.value, scope)
}

/** Value of an expression as written. */
export function expressionValue(
  { expressions }: { expressions: ReadonlyMap<string, Expression> },
  text: string | undefined,
  scope: Scope,
): Value | undefined {
  const expression = text === undefined ? undefined : expressions.get(text)
  return expression === undefined ? undefined : evaluate(expression, scope)
}

/** Name of the variable of the environment that an expression is: of `env("NAME")`. */
export function environmentName(
  { expressions }: Pick<Template, 'expressions'>,
  text: string | undefined,
): string | undefined {
  const expression = text === undefined ? undefined : expressions.get(text)
  if (expression?.kind !== 'call' || expression.name !== 'env') return undefined
  const [name] = expression.args
  return name?.kind === 'literal' ? String(name.value) : undefined
}

function assignedValue(template: Template, name: string): Value | undefined {
  const text = template.assignments.findLast(assignment => assignment.name === name)?.text
  return expressionValue(template, text, { env: () => '', lookUp: () => undefined })
}

function pathOf({ folder }: Template, name: string): string | undefined {
  if (name === 'root' || name === 'cwd') return resolve(folder)
  return undefined
}

function inside(value: Value | undefined, path: string[]): Value | undefined {
  return path.reduce<Value | undefined>((inner, key) => {
    if (typeof inner !== 'object' || inner === null) return undefined
    return Array.isArray(inner) ? inner[Number(key)] : inner[key]
  }, value)
}

/** Converts to the declared type, as Packer does: values of the environment and of `-var` are text. */
function typed({ type }: Variable, value: Value | undefined): Value | undefined {
  if (value === undefined || value === null || typeof value === 'object') return value
  if (type === 'string') return String(value)
  if (type === 'number') return Number(value)
  if (type === 'bool') return String(value) === 'true'
  return type === undefined || type === 'any' ? value : jsonOf(value)
}

/** Value of a text such as `["a", "b"]`; undefined for HCL that is not JSON. */
function jsonOf(value: Value): Value | undefined {
  try {
    return JSON.parse(String(value)) as Value
  } catch {
    return undefined
  }
}
