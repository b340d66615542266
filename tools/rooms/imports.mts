import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path/posix'

/** Files by path with the paths they import, both relative to one folder and with forward slashes. */
export type Imports = ReadonlyMap<string, readonly string[]>

const SPECIFIER = /(?:^(?:import|export)\b[^'"]*?|\bimport\()'(\.[^']+)'/gm

/** Reads the relative imports of all .mts files below a folder: static, dynamic and of types. */
export async function readImports(folder: string): Promise<Imports> {
  const names = await readdir(folder, { recursive: true })
  const files = names.filter(name => name.endsWith('.mts') && !name.includes('node_modules')).sort()
  const texts = await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')))
  return new Map(files.map((file, index) => [file, importsIn(file, texts[index]!)]))
}

/** Lists what one file imports. */
export function importsIn(file: string, text: string): string[] {
  return [...text.matchAll(SPECIFIER)].map(([, specifier]) => normalize(join(dirname(file), specifier!)))
}
