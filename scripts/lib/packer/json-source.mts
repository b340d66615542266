/** Templates in JSON (`*.pkr.json`), read as the blocks and attributes of HCL. */
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { HclNode } from './hcl-source.mts'
import pluginAttributes from './plugin-attributes.json' with { type: 'json' }

/** Block types of a body: number of labels, and the blocks within. JSON does not tell a block from an attribute. */
interface BodyShape {
  [type: string]: { labels: number; body: BodyShape }
}

const NO_BLOCKS: BodyShape = {}

const TEMPLATE: BodyShape = {
  packer: { labels: 0, body: { required_plugins: { labels: 0, body: NO_BLOCKS } } },
  variables: { labels: 0, body: NO_BLOCKS },
  variable: { labels: 1, body: NO_BLOCKS },
  locals: { labels: 0, body: NO_BLOCKS },
  local: { labels: 1, body: NO_BLOCKS },
  source: { labels: 2, body: NO_BLOCKS },
  build: {
    labels: 0,
    body: {
      source: { labels: 1, body: NO_BLOCKS },
      provisioner: { labels: 1, body: NO_BLOCKS },
      'post-processor': { labels: 1, body: NO_BLOCKS },
    },
  },
}

/** Value with its place in the text, as the parser of YAML gives it: JSON is YAML. */
interface JsonNode {
  items?: ({ key?: JsonNode; value?: JsonNode } & JsonNode)[]
  value?: unknown
  range?: [start: number, valueEnd: number, end: number]
}

interface JsonReader {
  text: string
  lineOf(offset: number): number
}

/**
 * Reads a template in JSON.
 * @throws ProxmintError (invalid) With the line of the fault.
 */
export async function locateJsonNodes(text: string, file: string): Promise<HclNode[]> {
  const { isMap, LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const lineOf = (offset: number): number => lines.linePos(offset).line
  const [error] = document.errors
  if (error !== undefined || !isMap(document.contents)) {
    const fault = error === undefined ? '1: expected an object' : `${lineOf(error.pos[0])}: ${error.message}`
    throw new ProxmintError(`${file}:${fault}`, {
      hint: 'correct that line; `packer fmt` shows the structure',
      exitCode: exitCodes.invalid,
    })
  }
  return nodesOf(document.contents as JsonNode, TEMPLATE, { text, lineOf })
}

function nodesOf(body: JsonNode, shape: BodyShape, reader: JsonReader): HclNode[] {
  return (body.items ?? []).flatMap(({ key, value }): HclNode[] => {
    const name = String(key?.value)
    if (key === undefined || value === undefined || name === '//') return []
    const block = shape[name]
    if (block !== undefined) return blocksAt(name, [], block, value, reader)
    const start = key.range![0]
    const end = value.range![1]
    const text = hclText(JSON.parse(reader.text.slice(value.range![0], end)))
    return [
      {
        kind: 'attribute',
        name,
        value: text,
        valueStart: value.range![0],
        start,
        end,
        line: reader.lineOf(start),
      },
    ]
  })
}

/** Blocks of a type: each label is a key, and several blocks are a list. */
function blocksAt(
  type: string,
  labels: string[],
  { labels: count, body }: BodyShape[string],
  value: JsonNode,
  reader: JsonReader,
): HclNode[] {
  if (reader.text[value.range![0]] === '[')
    return (value.items ?? []).flatMap(item => blocksAt(type, labels, { labels: count, body }, item, reader))
  if (labels.length < count) {
    return (value.items ?? []).flatMap(item =>
      blocksAt(type, [...labels, String(item.key?.value)], { labels: count, body }, item.value!, reader),
    )
  }
  const [start, end] = value.range!
  const shape = type === 'source' && count === 2 ? sourceShape(labels[0]!) : body
  const inner = nodesOf(value, shape, reader)
  return [{ kind: 'block', type, labels, body: inner, start, end, line: reader.lineOf(start) }]
}

type Types = { [name: string]: string | Types }

/** Blocks of a source, by the attributes of the plugin. */
function sourceShape(builder: string): BodyShape {
  return shapeOf((pluginAttributes as Record<string, Types>)[builder] ?? {})
}

function shapeOf(types: Types): BodyShape {
  const blocks = Object.entries(types).filter(
    (entry): entry is [string, Types] => typeof entry[1] !== 'string',
  )
  return Object.fromEntries(blocks.map(([name, inner]) => [name, { labels: 0, body: shapeOf(inner) }]))
}

/** A value of JSON as an expression of HCL. Its texts can hold interpolations. */
function hclText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(hclText).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)} = ${hclText(inner)}`)
    return `{ ${entries.join(', ')} }`
  }
  if (typeof value !== 'string') return JSON.stringify(value)
  const [, only] = /^\$\{([^{}]*)\}$/.exec(value) ?? []
  return only ?? JSON.stringify(value)
}
