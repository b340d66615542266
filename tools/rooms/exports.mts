/** Compares the names that files export with the names that other files import, as their text says. */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path/posix'

/** Text of source files by path, relative to the repository. */
export type Sources = ReadonlyMap<string, string>

/** Name that a file exports. */
export interface Export {
  name: string
  file: string
}

const DECLARATION =
  /^export (?:async )?(?:function\*?|const|let|(?:abstract )?class|interface|type|enum) (\w+)/gm
/** `import { type A, b as c } from './d.mts'` */
const STATIC = /^(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(\.[^']+)'/gm
/** `const { a, b } = await import('./c.mts')` */
const DYNAMIC = /\{([^{}]*)\}\s*=\s*await import\(\s*'(\.[^']+)',?\s*\)/g
/** `const [{ a }, { b }] = await Promise.all([import('./c.mts'), import('./d.mts')])` */
const SEVERAL = /const \[([^=]*)\] = await Promise\.all\(\[((?:\s*import\('[^']+'\),?)+\s*)\]\)/g
/** `const a = await import('./b.mts')` */
const NAMESPACE = /const (\w+) = await import\(\s*'(\.[^']+)',?\s*\)/g
const COMMENT = /\/\*[\s\S]*?\*\/|\/\/.*$/gm

/** Reads all .mts files below folders of the repository. */
export async function readSources(repository: string, folders: readonly string[]): Promise<Sources> {
  const files = (await Promise.all(folders.map(folder => filesIn(repository, folder)))).flat().sort()
  const texts = await Promise.all(files.map(file => readFile(join(repository, file), 'utf8')))
  return new Map(files.map((file, index) => [file, texts[index]!]))
}

async function filesIn(repository: string, folder: string): Promise<string[]> {
  const names = await readdir(join(repository, folder), { recursive: true })
  return names
    .filter(name => name.endsWith('.mts') && !name.includes('node_modules'))
    .map(name => join(folder, name))
}

/** Lists what the files of a folder declare with `export`. */
export function exportsIn(sources: Sources, folder: string): Export[] {
  return [...sources]
    .filter(([file]) => file.startsWith(folder))
    .flatMap(([file, text]) => [...text.matchAll(DECLARATION)].map(([, name]) => ({ name: name!, file })))
}

/** Maps each name that several files export to these files. */
export function exportedTwice(exports: readonly Export[]): Record<string, string[]> {
  const byName = [...Map.groupBy(exports, ({ name }) => name)]
  return Object.fromEntries(
    byName.filter(([, all]) => all.length > 1).map(([name, all]) => [name, all.map(({ file }) => file)]),
  )
}

/** Lists the exports that no file imports, each as `FILE NAME`. */
export function importedByNobody(exports: readonly Export[], sources: Sources): string[] {
  const imported = namesImported(sources)
  return exports.map(({ file, name }) => `${file} ${name}`).filter(one => !imported.has(one))
}

/**
 * Lists the exports that are imported and yet used by no file of `production`, not even by their own.
 * @param production beginnings of the paths that count, such as `scripts/`.
 */
export function usedByTestsAlone(
  exports: readonly Export[],
  sources: Sources,
  production: readonly string[],
): string[] {
  const everywhere = namesImported(sources)
  const isProduction = (file: string): boolean => production.some(path => file.startsWith(path))
  const used = namesImported(new Map([...sources].filter(([file]) => isProduction(file))))
  return exports
    .filter(one => !isUsedInside(one, sources))
    .map(({ file, name }) => `${file} ${name}`)
    .filter(one => everywhere.has(one) && !used.has(one))
}

/** Whether the file uses the name besides declaring it. */
function isUsedInside({ file, name }: Export, sources: Sources): boolean {
  const code = sources.get(file)!.replaceAll(COMMENT, '')
  return [...code.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length > 1
}

function namesImported(sources: Sources): Set<string> {
  return new Set([...sources].flatMap(([file, text]) => importsOf(file, text)))
}

function importsOf(file: string, text: string): string[] {
  const lists = [...text.matchAll(STATIC), ...text.matchAll(DYNAMIC)].map(([, names, path]) => ({
    names: namesOf(names!),
    path: path!,
  }))
  return [...lists, ...severalIn(text), ...namespacesIn(text)].flatMap(({ names, path }) =>
    names.map(name => `${normalize(join(dirname(file), path))} ${name}`),
  )
}

interface ImportedNames {
  names: string[]
  path: string
}

function severalIn(text: string): ImportedNames[] {
  return [...text.matchAll(SEVERAL)].flatMap(([, patterns, imports]) => {
    const lists = [...patterns!.matchAll(/\{([^}]*)\}/g)].map(([, names]) => namesOf(names!))
    const paths = [...imports!.matchAll(/'([^']+)'/g)].map(([, path]) => path!)
    return paths.map((path, index) => ({ names: lists[index] ?? [], path }))
  })
}

function namespacesIn(text: string): ImportedNames[] {
  return [...text.matchAll(NAMESPACE)].map(([, variable, path]) => {
    const uses = text.matchAll(new RegExp(`\\b${variable}\\.(\\w+)`, 'g'))
    return { names: [...uses].map(([, name]) => name!), path: path! }
  })
}

/** Reads the names of a list such as `type A, b as c, d: e`, as they are exported. */
function namesOf(list: string): string[] {
  return list
    .split(',')
    .map(part => /^\s*(?:type\s+)?(\w*)/.exec(part)![1]!)
    .filter(name => name !== '')
}
