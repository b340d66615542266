import type { Document, LineCounter, Node } from 'yaml'

/**
 * Tells the line, from 1, on which something of a YAML document stands: a key where the path ends with one.
 * @param lines the counter the document was parsed with.
 */
export async function lineFinder(
  document: Document,
  lines: LineCounter,
): Promise<(path: string[]) => number> {
  const { isMap } = await import('yaml')
  return path => {
    const parent = document.getIn(path.slice(0, -1), true)
    const pair = isMap(parent) && parent.items.find(({ key }) => String(key) === path.at(-1))
    const node = (pair ? pair.key : document.getIn(path, true)) as Node | undefined
    return lines.linePos(node?.range?.[0] ?? 0).line
  }
}
