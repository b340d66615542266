/** Positions of blocks and attributes in HCL text, for messages with a line and for edits. */

import { exitCodes, ProxmintError } from '../run/errors.mts'

/** `name = value`. Offsets count from the start of the text; `end` is the offset after the node. */
export interface AttributeNode {
  kind: 'attribute'
  name: string
  /** Expression as written. */
  value: string
  valueStart: number
  start: number
  end: number
  /** Line number, from 1. */
  line: number
}

/** `type "label" { ... }`. */
export interface BlockNode {
  kind: 'block'
  type: string
  labels: string[]
  body: HclNode[]
  start: number
  end: number
  line: number
}

export type HclNode = AttributeNode | BlockNode

/** Attribute of a block itself, not of a block within it. */
export function attributeOf(block: BlockNode, name: string): AttributeNode | undefined {
  return block.body.find((node): node is AttributeNode => node.kind === 'attribute' && node.name === name)
}

/** Blocks of a type that stand in a block itself. */
export function blocksOf({ body }: { body: HclNode[] }, type: string): BlockNode[] {
  return body.filter((node): node is BlockNode => node.kind === 'block' && node.type === type)
}

/** Attributes of a block and of the blocks within it. */
export function attributesWithin({ body }: { body: HclNode[] }): AttributeNode[] {
  return body.flatMap(node => (node.kind === 'attribute' ? [node] : attributesWithin(node)))
}

/**
 * Finds blocks and attributes. It checks only the structure; hcl2json and Packer check the meaning.
 * @throws ProxmintError (invalid) With the line of the fault.
 */
export function locateNodes(text: string, file: string): HclNode[] {
  const scanner = new Scanner(text, file)
  const nodes = scanner.body()
  if (!scanner.atEnd()) throw scanner.fault('a closing brace without its block')
  return nodes
}

/** Reads the text with a cursor, which every method moves forward. */
class Scanner {
  private position = 0
  private readonly text: string
  private readonly file: string

  constructor(text: string, file: string) {
    this.text = text
    this.file = file
  }

  atEnd(): boolean {
    return this.position >= this.text.length
  }

  /** Reads nodes up to the end of the text or the closing brace of this body. */
  body(): HclNode[] {
    const nodes: HclNode[] = []
    for (;;) {
      this.skipBlank()
      if (this.atEnd() || this.peek() === '}') return nodes
      nodes.push(this.node())
    }
  }

  fault(what: string): ProxmintError {
    return new ProxmintError(`${this.file}:${this.lineAt(this.position)}: ${what}`, {
      hint: 'correct that line; `packer fmt` shows the structure',
      exitCode: exitCodes.invalid,
    })
  }

  private node(): HclNode {
    const start = this.position
    const line = this.lineAt(start)
    const name = this.take(/[A-Za-z_][\w-]*/y)
    if (name === undefined)
      throw this.fault(`expected the name of a block or attribute, found \`${this.peek()}\``)
    this.skipSpaces()
    if (this.peek() === '=') return this.attribute(name, start, line)
    return this.block(name, start, line)
  }

  private attribute(name: string, start: number, line: number): AttributeNode {
    this.position++
    this.skipSpaces()
    const valueStart = this.position
    const end = this.expression()
    const value = this.text.slice(valueStart, end)
    return { kind: 'attribute', name, value, valueStart, start, end, line }
  }

  private block(type: string, start: number, line: number): BlockNode {
    const labels: string[] = []
    while (this.peek() !== '{') {
      const label = this.take(/"[^"\n]*"|[A-Za-z_][\w-]*/y)
      if (label === undefined) throw this.fault(`expected \`=\` or \`{\` after \`${type}\``)
      labels.push(label.replaceAll('"', ''))
      this.skipSpaces()
    }
    this.position++
    const body = this.body()
    if (this.atEnd()) throw this.fault(`block \`${type}\` of line ${line} is not closed`)
    this.position++
    return { kind: 'block', type, labels, body, start, end: this.position, line }
  }

  /**
   * Moves to the newline or brace that ends the expression and is not in brackets, strings or comments.
   * @returns End of the expression, without blanks and comments after it.
   */
  private expression(): number {
    let depth = 0
    let end = this.position
    while (!this.atEnd()) {
      const character = this.peek()
      if (depth === 0 && (character === '\n' || character === '}')) break
      if (this.skipComment()) continue
      if (character === '"') this.string()
      else if (!this.heredoc()) {
        if ('([{'.includes(character)) depth++
        if (')]}'.includes(character)) depth--
        this.position++
      }
      if (character.trim() !== '') end = this.position
    }
    return end
  }

  private string(): void {
    const line = this.lineAt(this.position)
    this.position++
    while (this.peek() !== '"') {
      if (this.atEnd() || this.peek() === '\n') throw this.fault(`the string of line ${line} is not closed`)
      // A backslash escapes the next character; `$${` and `%%{` are literal text.
      if (this.take(/\\[\s\S]|\$\$\{|%%\{/y) !== undefined) continue
      if (this.take(/[$%]\{/y) !== undefined) this.interpolation()
      else this.position++
    }
    this.position++
  }

  /** Moves from after the opening brace to after the closing one. */
  private interpolation(): void {
    for (let depth = 1; depth > 0 && !this.atEnd(); ) {
      if (this.peek() === '"') this.string()
      else {
        if (this.peek() === '{') depth++
        if (this.peek() === '}') depth--
        this.position++
      }
    }
  }

  /** Skips `<<EOT ... EOT`. @returns False if there is none here. */
  private heredoc(): boolean {
    const opening = /<<-?([\w-]+)\r?\n/y
    opening.lastIndex = this.position
    const match = opening.exec(this.text)
    if (match === null) return false
    const closing = new RegExp(`^[ \\t]*${match[1]}[ \\t]*$`, 'gm')
    closing.lastIndex = opening.lastIndex
    if (closing.exec(this.text) === null) throw this.fault(`the heredoc ${match[1]} is not closed`)
    this.position = closing.lastIndex
    return true
  }

  private skipBlank(): void {
    do this.take(/\s+/y)
    while (this.skipComment())
  }

  /** Skips blanks and comments within a line. */
  private skipSpaces(): void {
    this.take(/(?:[ \t]+|\/\*[\s\S]*?\*\/)+/y)
  }

  private skipComment(): boolean {
    if (this.take(/(?:#|\/\/)[^\n]*|\/\*[\s\S]*?\*\//y) !== undefined) return true
    if (this.text.startsWith('/*', this.position)) throw this.fault('the comment is not closed')
    return false
  }

  private peek(): string {
    return this.text[this.position] ?? ''
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position
    const match = pattern.exec(this.text)?.[0]
    if (match !== undefined) this.position += match.length
    return match
  }

  private lineAt(offset: number): number {
    return this.text.slice(0, offset).split('\n').length
  }
}
