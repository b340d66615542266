/** Errors of the YAML parser, in sentences with their line. */
import type { Document, LineCounter, Pair, ParsedNode, YAMLError } from 'yaml'

/**
 * Describes the errors of a document, one sentence per line of the file.
 * @param lines The counter with which the document was parsed.
 */
export async function yamlFaults(document: Document.Parsed, lines: LineCounter): Promise<string[]> {
  const { isMap, visit } = await import('yaml')
  const lineAt = (offset: number): number => lines.linePos(offset).line
  const pairs: ParsedPair[][] = []
  visit(document, {
    Collection(_, node) {
      if (isMap(node)) pairs.push(node.items as ParsedPair[])
    },
  })
  const sentences = document.errors.map((error): [line: number, sentence: string] => {
    const line = lineAt(error.pos[0])
    const twice = error.code === 'DUPLICATE_KEY' ? keysAt(pairs, error) : undefined
    if (twice === undefined) return [line, error.message]
    return [line, `the key ${twice.name} is there twice; the first one is in line ${lineAt(twice.first)}`]
  })
  // A fault often causes others in its line.
  return [...new Map(sentences.toReversed())]
    .toReversed()
    .map(([line, sentence]) => `line ${line}: ${sentence}`)
}

type ParsedPair = Pair<ParsedNode, ParsedNode | null>

/** Finds the key at the place of an error, and the offset of the first key of that name beside it. */
function keysAt(maps: ParsedPair[][], { pos }: YAMLError): { name: string; first: number } | undefined {
  for (const items of maps) {
    const found = items.find(({ key }) => key.range[0] === pos[0])
    if (found === undefined) continue
    const name = String(found.key)
    return { name, first: items.find(({ key }) => String(key) === name)!.key.range[0] }
  }
  return undefined
}
