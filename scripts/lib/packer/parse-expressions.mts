import type { Expression, Value } from './expression.mts'

/** Node of hcl2json's syntax tree. */
interface Ast {
  type: string
  children: Ast[]
  range: { start: { byte: number }; end: { byte: number } }
  meta?: {
    value?: string
    type?: string
    name?: string
    operator?: string
    traversal?: { segment: string }[]
  }
}

/**
 * Parses expressions together, since each call of hcl2json takes some milliseconds.
 * @param texts Expressions as written.
 * @returns Text -> expression, without the texts that hcl2json refuses.
 */
export async function parseExpressions(texts: string[]): Promise<Map<string, Expression>> {
  const unique = [...new Set(texts)].filter(text => text.trim() !== '')
  const simple = unique.flatMap((text): [string, Expression][] => {
    const expression = simpleExpression(text)
    return expression === undefined ? [] : [[text, expression]]
  })
  const known = new Map(simple)
  const rest = unique.filter(text => !known.has(text))
  return new Map([...simple, ...(await parseTogether(rest))])
}

/** Parses the most frequent kinds, which need no parser. */
function simpleExpression(text: string): Expression | undefined {
  if (/^"[^"\\$%\n]*"$/.test(text)) return { kind: 'literal', value: text.slice(1, -1) }
  if (/^(true|false|null|\d+)$/.test(text)) return { kind: 'literal', value: JSON.parse(text) as Value }
  if (/^(var|local)\.[A-Za-z_][\w-]*$/.test(text)) return { kind: 'reference', path: text.split('.') }
  return undefined
}

async function parseTogether(texts: string[]): Promise<[string, Expression][]> {
  if (texts.length === 0) return []
  const { getExpressionAst } = await import('@cdktf/hcl2json')
  const source = `[\n${texts.join('\n,\n')}\n]`
  const list = await getExpressionAst('expressions', source).catch(() => undefined)
  if (list) {
    const bytes = Buffer.from(source)
    return texts.map((text, index) => [text, toExpression(list.children[index] as Ast, bytes)])
  }
  if (texts.length === 1) return []
  const each = await Promise.all(texts.map(text => parseTogether([text])))
  return each.flat()
}

function toExpression(ast: Ast, source: Buffer): Expression {
  const inner = (): Expression[] => ast.children.map(child => toExpression(child, source))
  const { meta = {} } = ast
  switch (ast.type) {
    case 'literalValue':
      return { kind: 'literal', value: literal(meta.type, meta.value ?? '') }
    case 'template':
    case 'templateWrap':
      return template(meta.value ?? '', inner())
    case 'scopeTraversal':
      return {
        kind: 'reference',
        path: (meta.traversal ?? []).map(({ segment }) => segment.replaceAll('"', '')),
      }
    case 'function':
      return { kind: 'call', name: meta.name ?? '', args: inner() }
    case 'tuple':
      return { kind: 'list', items: inner() }
    case 'object':
      return { kind: 'object', entries: entriesOf(ast, source) }
    case 'conditional': {
      const [test, yes, no] = inner()
      return { kind: 'conditional', test: test!, yes: yes!, no: no! }
    }
    case 'binaryOp':
    case 'unaryOp':
      return { kind: 'operation', operator: meta.operator ?? '', operands: inner() }
    default:
      return ast.type === '' && ast.children.length === 1
        ? toExpression(ast.children[0]!, source)
        : { kind: 'other', inner: inner() }
  }
}

function literal(type: string | undefined, text: string): Value {
  if (type === 'number') return Number(text)
  if (type === 'bool') return text === 'true'
  return type === 'string' ? text : null
}

/** A text. The tree has the literal parts as written, with escapes. */
function template(source: string, parts: Expression[]): Expression {
  const isHeredoc = source.startsWith('<<')
  const read = parts.map((part): Expression => {
    if (part.kind !== 'literal' || typeof part.value !== 'string') return part
    return { kind: 'literal', value: isHeredoc ? part.value : unescaped(part.value) }
  })
  const [only] = read
  return read.length === 1 ? only! : { kind: 'template', parts: read }
}

function unescaped(text: string): string {
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t' }
  return text
    .replaceAll(/\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/g, (_, short, long, one) =>
      one === undefined ? String.fromCodePoint(Number.parseInt(short ?? long, 16)) : (named[one] ?? one),
    )
    .replaceAll(/([$%])\1\{/g, '$1{')
}

/** Entries of an object. The tree has a key that is a bare word by its place alone. */
function entriesOf({ children }: Ast, source: Buffer): [Expression, Expression][] {
  return Array.from({ length: children.length / 2 }, (_, index) => {
    const [key, value] = [children[2 * index]!, children[2 * index + 1]!]
    const word = source.subarray(key.range.start.byte, key.range.end.byte).toString()
    const name: Expression =
      key.children.length === 0 ? { kind: 'literal', value: word } : toExpression(key, source)
    return [name, toExpression(value, source)]
  })
}
