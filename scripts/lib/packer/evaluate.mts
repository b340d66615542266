/** Evaluates expressions, as far as their values are known before the build. */
import type { Expression, Scope, Value } from './expression.mts'
import { FUNCTIONS } from './functions.mts'

/** Evaluates an expression. @returns Undefined if only Packer can evaluate it. */
export function evaluate(expression: Expression, scope: Scope): Value | undefined {
  switch (expression.kind) {
    case 'literal':
      return expression.value
    case 'reference':
      return scope.lookUp(expression.path)
    case 'template':
      return textOf(expression.parts, scope)
    case 'list':
      return expression.items.map(item => evaluate(item, scope))
    case 'object':
      return objectOf(expression.entries, scope)
    case 'conditional':
      return conditional(expression, scope)
    case 'call':
      return FUNCTIONS[expression.name]?.(
        expression.args.map(arg => evaluate(arg, scope)),
        scope,
      )
    case 'operation':
      return operate(
        expression.operator,
        expression.operands.map(operand => evaluate(operand, scope)),
      )
    default:
      return undefined
  }
}

function textOf(parts: Expression[], scope: Scope): string | undefined {
  const texts = parts.map(part => {
    const value = evaluate(part, scope)
    return value === undefined || value === null || typeof value === 'object'
      ? scope.unknownText
      : String(value)
  })
  return texts.includes(undefined) ? undefined : texts.join('')
}

function objectOf(entries: [Expression, Expression][], scope: Scope): Value {
  const known = entries.flatMap(([key, value]): [string, Value][] => {
    const [name, content] = [evaluate(key, scope), evaluate(value, scope)]
    return typeof name === 'string' && content !== undefined ? [[name, content]] : []
  })
  return Object.fromEntries(known)
}

function conditional(
  { test, yes, no }: Expression & { kind: 'conditional' },
  scope: Scope,
): Value | undefined {
  const decided = truth(evaluate(test, scope))
  return decided === undefined ? undefined : evaluate(decided ? yes : no, scope)
}

/** Reads a boolean. HCL converts the texts `true` and `false`. */
export function truth(value: Value | undefined): boolean | undefined {
  if (value === true || value === 'true') return true
  return value === false || value === 'false' ? false : undefined
}

type Operator = (a: Value, b: Value) => Value | undefined

const compared =
  (holds: (a: number, b: number) => boolean): Operator =>
  (a, b) =>
    holds(Number(a), Number(b))

const OPERATORS: Record<string, Operator> = {
  equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
  notEqual: (a, b) => JSON.stringify(a) !== JSON.stringify(b),
  greaterThan: compared((a, b) => a > b),
  greaterThanOrEqual: compared((a, b) => a >= b),
  lessThan: compared((a, b) => a < b),
  lessThanOrEqual: compared((a, b) => a <= b),
  add: (a, b) => Number(a) + Number(b),
  subtract: (a, b) => Number(a) - Number(b),
  multiply: (a, b) => Number(a) * Number(b),
}

function operate(operator: string, [a, b]: (Value | undefined)[]): Value | undefined {
  if (operator === 'logicalNot') return truth(a) === undefined ? undefined : !truth(a)
  if (operator === 'negate') return a === undefined ? undefined : -Number(a)
  if (operator === 'logicalAnd' || operator === 'logicalOr') return logical(operator, truth(a), truth(b))
  return a === undefined || b === undefined ? undefined : OPERATORS[operator]?.(a, b)
}

function logical(operator: string, a: boolean | undefined, b: boolean | undefined): boolean | undefined {
  const decisive = operator === 'logicalOr'
  if (a === decisive || b === decisive) return decisive
  return a === undefined || b === undefined ? undefined : !decisive
}
