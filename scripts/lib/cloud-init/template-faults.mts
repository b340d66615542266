/** Faults of a cloud-init template that are found before its values are filled in, each with its line. */

import type * as Yaml from 'yaml'
import { cloudInitYaml } from './yaml.mts'

/** One fault: the end of a sentence about the template, and what to do in which line. */
export interface TemplateFault {
  what: string
  hint?: string
}

/** First lines by which cloud-init knows other kinds of user-data. */
const OTHER_KINDS: readonly [start: RegExp, name: string][] = [
  [/^## *template: *jinja/i, 'a Jinja template'],
  [/^#!/, 'a script'],
  [/^#include(-once)?\b/, 'an include list'],
  [/^#cloud-boothook\b/, 'a boot script (#cloud-boothook)'],
  [/^#cloud-config-archive\b/, 'a cloud-config archive'],
  [/^#cloud-config-jsonp\b/, 'a JSON patch'],
  [/^#part-handler\b/, 'a part handler'],
  [/^#upstart-job\b/, 'an Upstart job'],
  [/^(mime-version|content-type):/i, 'a MIME archive'],
]

/**
 * Names user-data that is not a cloud-config. proxmint fills values into a document, and checks its accounts; it can do
 * neither in another kind.
 */
export function otherKindFault(text: string): TemplateFault | undefined {
  const name = OTHER_KINDS.find(([start]) => start.test(text.trimStart()))?.[1]
  if (name === undefined) return undefined
  return {
    what: `is ${name}, and proxmint fills in cloud-configs only`,
    hint: 'write a cloud-config; `runcmd`, `bootcmd` and `write_files` take scripts',
  }
}

/**
 * Parses a template.
 * @returns its document, and everything that cloud-init would read as something else than what proxmint writes.
 */
export function parseTemplate(
  yaml: typeof Yaml,
  text: string,
): { document: unknown; faults: TemplateFault[] } {
  const lines = new yaml.LineCounter()
  const parsed = yaml.parseDocument(text, { ...cloudInitYaml.read, lineCounter: lines })
  const lineOf = (offset: number): number => lines.linePos(offset).line
  const errors = parsed.errors.map(({ pos, message }) => syntaxFault(text, lineOf(pos[0]), message))
  const faults = [...errors, ...nodeFaults(yaml, parsed, text, lineOf)]
  return { document: faults.length > 0 ? undefined : parsed.toJS(), faults }
}

function syntaxFault(text: string, line: number, message: string): TemplateFault {
  const placeholder = /(?<!["'])\{\{.*?\}\}/.exec(text.split('\n')[line - 1] ?? '')?.[0]
  if (placeholder !== undefined) return unquoted(placeholder, line)
  return { what: `is not YAML: ${message.split('\n')[0]}` }
}

function unquoted(placeholder: string, line: number): TemplateFault {
  return {
    what: `has ${placeholder} without quotes in line ${line}, which YAML reads as a table`,
    hint: `line ${line}: quote it, the whole value: "${placeholder}"`,
  }
}

function nodeFaults(
  yaml: typeof Yaml,
  parsed: Yaml.Document,
  text: string,
  lineOf: (offset: number) => number,
): TemplateFault[] {
  const faults: TemplateFault[] = []
  const add = (node: Yaml.Node, fault: (line: number, source: string) => TemplateFault | undefined): void => {
    const [start, end] = node.range ?? [0, 0]
    const found = fault(lineOf(start), text.slice(start, end))
    if (found !== undefined) faults.push(found)
  }
  yaml.visit(parsed, {
    Map(_, node) {
      const isPlaceholder = text.startsWith('{{', node.range?.[0])
      if (isPlaceholder) add(node, (line, source) => unquoted(source, line))
      else add(node, line => tagFault(node, line))
      return isPlaceholder ? yaml.visit.SKIP : undefined
    },
    Seq: (_, node) => add(node, line => tagFault(node, line)),
    Scalar: (key, node) =>
      add(node, (line, source) =>
        key === 'key' ? keyFault(node, line, source) : scalarFault(node, line, source),
      ),
    Pair(_, { key }) {
      if (yaml.isScalar(key) || !yaml.isNode(key) || text.startsWith('{{', key.range?.[0])) return
      add(key, (line, source) => ({ what: `has a key in line ${line} that is not a text: ${source}` }))
    },
  })
  return faults
}

/** Tags whose values are written as they were read. `!!binary` is how write_files takes bytes. */
const TAGS_KEPT = ['str', 'int', 'float', 'bool', 'null', 'map', 'seq', 'binary', 'merge']

function tagFault({ tag }: Yaml.Node, line: number): TemplateFault | undefined {
  if (tag === undefined || TAGS_KEPT.some(kept => tag === `tag:yaml.org,2002:${kept}`)) return undefined
  const name = tag.replace('tag:yaml.org,2002:', '!!')
  return {
    what: `has the tag ${name} in line ${line}, which cloud-init or proxmint does not know`,
    hint: `line ${line}: write the value without the tag`,
  }
}

function keyFault(node: Yaml.Scalar, line: number, source: string): TemplateFault | undefined {
  if (String(node.value).includes('{{')) {
    return {
      what: `has a variable in the key ${source} in line ${line}: values alone are filled in`,
      hint: `line ${line}: write the key itself`,
    }
  }
  const isText = typeof node.value === 'string' && plainKind(source) === 'text'
  if (node.type !== 'PLAIN' || isText || source === '<<') return undefined
  return {
    what: `has the key ${source} in line ${line}, which YAML 1.1 does not read as a text`,
    hint: `line ${line}: quote it: "${source}"`,
  }
}

function scalarFault(node: Yaml.Scalar, line: number, source: string): TemplateFault | undefined {
  if (node.type !== 'PLAIN' || node.tag !== undefined) return tagFault(node, line)
  const { value } = node
  if (kindOf(value) === plainKind(source) && !isInexact(value)) return undefined
  return {
    what: `has ${source} in line ${line}, which YAML 1.1 and proxmint do not read alike`,
    hint: `line ${line}: quote it: "${source}"`,
  }
}

/** A number that is too large to be written back as it was. */
function isInexact(value: unknown): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value)
}

type Kind = 'null' | 'boolean' | 'number' | 'text'

function kindOf(value: unknown): Kind {
  if (value === null || typeof value === 'boolean' || typeof value === 'number')
    return value === null ? 'null' : (typeof value as Kind)
  return 'text'
}

/** The kinds of plain scalars as PyYAML resolves them, which cloud-init uses. A day is a text here. */
const PLAIN_KINDS: readonly [Kind, RegExp][] = [
  ['null', /^(~|null|Null|NULL|)$/],
  ['boolean', /^(yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/],
  ['number', /^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$/],
  ['number', /^([-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$/],
  ['number', /^([-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/],
]

function plainKind(source: string): Kind {
  return PLAIN_KINDS.find(([, pattern]) => pattern.test(source))?.[0] ?? 'text'
}
