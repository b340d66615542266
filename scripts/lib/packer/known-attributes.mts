/** Rule `known-attribute`: compares sources with the attributes of the proxmox plugin (plugin-attributes.json). */

import { nearest } from '../run/nearest.mts'
import type { AttributeNode, BlockNode } from './hcl-source.mts'
import pluginAttributes from './plugin-attributes.json' with { type: 'json' }
import type { SourceBlock } from './template.mts'
import { type Found, violation } from './violation.mts'

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
    const place = { file, line: node.line }
    if (type === undefined) return unknownAttribute(name, Object.keys(types), place, where)
    if (node.kind === 'block') {
      if (node.type === 'dynamic' || typeof type === 'string') return []
      return unknownWithin(node, type, file, `${where}.${name}`)
    }
    if (typeof type === 'string') return wrongType(node, type, place)
    const fix = `${name} { ... }, without the equals sign`
    return violation(place, `\`${name}\` is written as an attribute`, 'the plugin takes a block there', fix)
  })
}

interface Place {
  file: string
  line: number
}

function unknownAttribute(name: string, known: string[], place: Place, where: string): Found {
  const close = nearest(name, known)
  const why = 'the plugin refuses unknown attributes and blocks (list: hashicorp/proxmox 1.2.4)'
  const fix = close === undefined ? 'remove it' : `write \`${close}\``
  return violation(place, `${where} does not know \`${name}\``, why, fix)
}

/** Checks only literals: Packer evaluates expressions. */
function wrongType({ name, value }: AttributeNode, type: string, place: Place): Found {
  const literal = literalType(value)
  if (literal === undefined || literal === type) return []
  // Packer converts these strings and literals.
  if (literal === 'string' && (type === 'number' || type === 'bool') && /^"(\d+|true|false)"$/.test(value))
    return []
  if (type === 'string' && (literal === 'number' || literal === 'bool')) return []
  const why = `the plugin takes a ${type} there`
  return violation(place, `\`${name}\` is a ${literal}`, why, `give \`${name}\` a ${type}`)
}

function literalType(value: string): string | undefined {
  if (/^"[^$]*"$/.test(value)) return 'string'
  if (/^-?\d+(\.\d+)?$/.test(value)) return 'number'
  if (value === 'true' || value === 'false') return 'bool'
  if (value.startsWith('[') && !/^\[\s*for\b/.test(value)) return 'list'
  return undefined
}
