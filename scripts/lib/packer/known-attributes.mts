/** Rule `known-attribute`: compares sources with the attributes of the proxmox plugin (plugin-attributes.json). */

import { nearest } from '../run/nearest.mts'
import type { AttributeNode, BlockNode } from './hcl-source.mts'
import pluginAttributes from './plugin-attributes.json' with { type: 'json' }
import type { SourceBlock } from './template.mts'
import type { Found } from './violation.mts'

type AttributeTypes = { [name: string]: string | AttributeTypes }

/** Finds attributes and blocks of a proxmox source that the plugin does not know, and literals of a wrong type. */
export function unknownAttributes({ type, block, file }: SourceBlock): Found {
  const types = (pluginAttributes as Record<string, AttributeTypes>)[type]
  return types === undefined ? [] : unknownWithin(block, types, file, type)
}

function unknownWithin(block: BlockNode, types: AttributeTypes, file: string, where: string): Found {
  return block.body.flatMap((node): Found => {
    const name = node.kind === 'attribute' ? node.name : node.type === 'dynamic' ? node.labels[0]! : node.type
    const type = types[name]
    if (type === undefined) return [unknownAttribute(name, Object.keys(types), file, node.line, where)]
    if (node.kind === 'block') {
      if (node.type === 'dynamic' || typeof type === 'string') return []
      return unknownWithin(node, type, file, `${where}.${name}`)
    }
    return typeof type === 'string' ? wrongType(node, type, file) : [attributeForBlock(node, file)]
  })
}

function unknownAttribute(
  name: string,
  known: string[],
  file: string,
  line: number,
  where: string,
): Found[number] {
  const close = nearest(name, known)
  return {
    file,
    line,
    what: `${where} does not know \`${name}\``,
    why: 'the plugin refuses unknown attributes and blocks (list: hashicorp/proxmox 1.2.4)',
    fix: close === undefined ? 'remove it' : `write \`${close}\``,
  }
}

function attributeForBlock({ name, line }: AttributeNode, file: string): Found[number] {
  return {
    file,
    line,
    what: `\`${name}\` is written as an attribute`,
    why: 'the plugin takes a block there',
    fix: `${name} { ... }, without the equals sign`,
  }
}

/** Checks only literals: Packer evaluates expressions. */
function wrongType({ name, value, line }: AttributeNode, type: string, file: string): Found {
  const literal = literalType(value)
  if (literal === undefined || literal === type) return []
  // Packer converts these strings and literals.
  if (literal === 'string' && (type === 'number' || type === 'bool') && /^"(\d+|true|false)"$/.test(value))
    return []
  if (type === 'string' && (literal === 'number' || literal === 'bool')) return []
  return [
    {
      file,
      line,
      what: `\`${name}\` is a ${literal}`,
      why: `the plugin takes a ${type} there`,
      fix: `give \`${name}\` a ${type}`,
    },
  ]
}

function literalType(value: string): string | undefined {
  if (/^"[^$]*"$/.test(value)) return 'string'
  if (/^-?\d+(\.\d+)?$/.test(value)) return 'number'
  if (value === 'true' || value === 'false') return 'bool'
  if (value.startsWith('[') && !/^\[\s*for\b/.test(value)) return 'list'
  return undefined
}
