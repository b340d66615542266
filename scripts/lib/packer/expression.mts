/** HCL expressions as data. hcl2json parses them, and evaluate.mts evaluates them. */

/** Value of an expression. In a list, `undefined` is an item that only Packer can evaluate. */
export type Value = string | number | boolean | null | (Value | undefined)[] | { [key: string]: Value }

export type Expression =
  | { kind: 'literal'; value: Value }
  | { kind: 'template'; parts: Expression[] }
  /** `var.x`, `path.root`, `var.list[0]`: its names in order. */
  | { kind: 'reference'; path: string[] }
  | { kind: 'call'; name: string; args: Expression[] }
  | { kind: 'list'; items: Expression[] }
  | { kind: 'object'; entries: [key: Expression, value: Expression][] }
  | { kind: 'conditional'; test: Expression; yes: Expression; no: Expression }
  | { kind: 'operation'; operator: string; operands: Expression[] }
  /** A loop or anything else that is not evaluated. */
  | { kind: 'other'; inner: Expression[] }

/** Values that expressions can refer to. */
export interface Scope {
  /** Value of a reference, such as `var.x`; undefined if it is not known before the build. */
  lookUp(path: string[]): Value | undefined
  /** Variable of the environment. */
  env(name: string): string
  /** Replaces parts of a text that are not known. Default: the whole text is not known. */
  unknownText?: string
}

/** Lists the expressions within an expression, and itself. */
export function within(expression: Expression): Expression[] {
  return [expression, ...partsOf(expression).flatMap(within)]
}

function partsOf(expression: Expression): Expression[] {
  switch (expression.kind) {
    case 'template':
      return expression.parts
    case 'call':
      return expression.args
    case 'list':
      return expression.items
    case 'object':
      return expression.entries.flat()
    case 'conditional':
      return [expression.test, expression.yes, expression.no]
    case 'operation':
      return expression.operands
    case 'other':
      return expression.inner
    default:
      return []
  }
}
