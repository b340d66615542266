/** Reads template folders: all files of a folder together, as Packer does. */

import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import type { Expression } from './expression.mts'
import {
  attributeOf,
  attributesWithin,
  type BlockNode,
  blocksOf,
  type HclNode,
  locateNodes,
} from './hcl-source.mts'
import { locateJsonNodes } from './json-source.mts'
import { brokenLink, kindOf, realPathOf } from './links.mts'
import { parseExpressions } from './parse-expressions.mts'

/** File of a template folder. */
interface TemplateFile {
  /** Path from the project's root: `packer/debian/debian.pkr.hcl`. */
  path: string
  text: string
  nodes: HclNode[]
}

export interface Variable {
  name: string
  file: string
  line: number
  sensitive: boolean
  /** Declared type as written; undefined if none is declared. */
  type: string | undefined
  /** Expression as written; undefined if the variable must be set. */
  defaultText: string | undefined
}

export interface SourceBlock {
  /** `proxmox-clone`. */
  type: string
  name: string
  file: string
  block: BlockNode
}

export interface Provisioner {
  /** `shell`. */
  type: string
  file: string
  block: BlockNode
}

/** Expression that has a name: a local, or the value of a variable in `*.auto.pkrvars.*`. */
export interface Assignment {
  name: string
  /** Expression as written. */
  text: string
  file: string
  line: number
}

/** Source that a build uses. */
interface UsedSource {
  /** `proxmox-clone.debian`. */
  source: string
  file: string
  line: number
}

/** Template folder as Packer reads it: all its `*.pkr.hcl` and `*.pkr.json` together. */
export interface Template {
  /** Name of the folder. */
  os: string
  folder: string
  files: TemplateFile[]
  variables: Variable[]
  locals: ReadonlyMap<string, Assignment>
  /** Values of `*.auto.pkrvars.hcl` and `*.auto.pkrvars.json`. Later ones win, as in Packer. */
  assignments: Assignment[]
  sources: SourceBlock[]
  /** Sources of every build, in order. */
  used: UsedSource[]
  /** Every `provisioner` block of every build. */
  provisioners: Provisioner[]
  /** Every expression of the folder, by its text. */
  expressions: ReadonlyMap<string, Expression>
}

/** Folder of `packer/` with the scripts that families share; not a family. */
export const SHARED_FOLDER = 'common'

/** Files that make a folder of `packer/` a family. */
const FAMILY_FILE = /\.pkr\.(hcl|json)$|^family\.yaml$/

/**
 * Lists the template families: the folders of `packer/`, and links to folders, that hold a template or a `family.yaml`.
 * Other folders, such as `scripts/` and `http/`, hold files that templates use.
 * @throws ProxmintError (usage) If there is no `packer/`, (invalid) if a family has the name of the shared folder, and
 * for a link without a target.
 */
export async function listFamilies(root = 'packer'): Promise<string[]> {
  const names = await readdir(root).catch(cause => {
    throw new ProxmintError(`cannot read the template families in ${resolve(root)}: ${codeOf(cause)}`, {
      hint: "run from the project's root",
      cause,
      exitCode: exitCodes.usage,
    })
  })
  const areFamilies = await Promise.all(names.map(name => isFamily(join(root, name))))
  const families = names.filter((_, index) => areFamilies[index])
  if (families.includes(SHARED_FOLDER)) await refuseSharedFamily(join(root, SHARED_FOLDER))
  return families.filter(name => name !== SHARED_FOLDER).sort()
}

async function isFamily(folder: string): Promise<boolean> {
  const kind = await kindOf(folder)
  if (kind === 'broken') await realPathOf(folder)
  if (kind !== 'folder') return false
  return (await readdir(folder)).some(name => FAMILY_FILE.test(name))
}

/** Refuses a family with the name of the shared folder: an older fork may have one, which must not vanish silently. */
async function refuseSharedFamily(folder: string): Promise<void> {
  if (!(await readdir(folder)).some(name => /\.pkr\.(hcl|json)$/.test(name))) return
  throw new ProxmintError(`${folder} holds a template, but it is the folder for shared scripts`, {
    hint: 'move the files of your family to another folder of packer/; the family then has that name',
    exitCode: exitCodes.invalid,
  })
}

/**
 * Reads a template folder.
 * @throws ProxmintError (invalid) For a syntax error, with file and line, and for a source that is defined twice.
 */
export async function loadTemplate(os: string, root = 'packer'): Promise<Template> {
  const folder = join(root, os)
  const files = await readFiles(folder)
  const values = await readEnding(folder, '.auto.pkrvars')
  const sources = files.flatMap(sourcesOf)
  requireOneOfEach(folder, sources)
  const texts = [...files, ...values].flatMap(({ nodes }) => attributesWithin({ body: nodes }))
  return {
    os,
    folder,
    files,
    variables: files.flatMap(variablesOf),
    locals: new Map(files.flatMap(localsOf).map(local => [local.name, local])),
    assignments: values.flatMap(assignmentsOf),
    sources,
    used: files.flatMap(usedOf),
    provisioners: files.flatMap(provisionersOf),
    expressions: await parseExpressions(texts.map(({ value }) => value)),
  }
}

/** Refuses two sources with one name: Packer reads all files as one template. */
function requireOneOfEach(folder: string, sources: SourceBlock[]): void {
  const places = Map.groupBy(sources, ({ type, name }) => `${type}.${name}`)
  for (const [source, defined] of places) {
    if (defined.length === 1) continue
    throw new ProxmintError(`${folder} defines the source ${source} ${defined.length} times`, {
      facts: { places: defined.map(({ file, block }) => `${file}:${block.line}`).join(', ') },
      hint: 'keep one: Packer reads every *.pkr.hcl of the folder as one template; a copy of a file needs another ending',
      exitCode: exitCodes.invalid,
    })
  }
}

async function readFiles(folder: string): Promise<TemplateFile[]> {
  const files = await readEnding(folder, '.pkr')
  if (files.length > 0) return files
  throw new ProxmintError(`${folder} holds no *.pkr.hcl and no *.pkr.json file`, {
    hint: 'a template family is a folder of packer/ with a template',
    exitCode: exitCodes.invalid,
  })
}

/** Reads the files with an ending, those in HCL before those in JSON, as Packer does. */
async function readEnding(folder: string, ending: string): Promise<TemplateFile[]> {
  const names = (await readdir(folder)).sort()
  const wanted = ['.hcl', '.json'].flatMap(kind => names.filter(name => name.endsWith(`${ending}${kind}`)))
  return Promise.all(wanted.map(name => readTemplateFile(join(folder, name))))
}

async function readTemplateFile(path: string): Promise<TemplateFile> {
  const text = await readFile(path, 'utf8').catch(async cause => {
    throw await brokenLink(path, cause)
  })
  if (path.endsWith('.json')) return { path, text, nodes: await locateJsonNodes(text, path) }
  const nodes = locateNodes(text, path)
  await requireSyntax(path, text)
  return { path, text, nodes }
}

async function requireSyntax(path: string, text: string): Promise<void> {
  // hcl2json takes 90 ms to load and 230 ms for the first file: it is loaded only if needed.
  const { parse } = await import('@cdktf/hcl2json')
  try {
    await parse(path, text)
  } catch (cause) {
    throw new ProxmintError(`syntax error: ${diagnosis(cause)}`, {
      hint: 'correct the line named above; `packer fmt` shows the structure',
      cause,
      exitCode: exitCodes.invalid,
    })
  }
}

/** Message of hcl2json as `FILE:LINE,COLUMN: ...`, without its prefix and the ends of ranges. */
function diagnosis(cause: unknown): string {
  const [, words = messageOf(cause)] = /parse config: \[(.*)\]/s.exec(messageOf(cause)) ?? []
  return words.replaceAll(/:(\d+,\d+)-\d+(?:,\d+)?:/g, ':$1:')
}

function variablesOf({ path, nodes }: TemplateFile): Variable[] {
  return blocksOf({ body: nodes }, 'variable').map(block => ({
    name: block.labels[0] ?? '',
    file: path,
    line: block.line,
    sensitive: attributeOf(block, 'sensitive')?.value === 'true',
    type: attributeOf(block, 'type')?.value.replaceAll('"', ''),
    defaultText: attributeOf(block, 'default')?.value,
  }))
}

function assignmentsOf({ path, nodes }: TemplateFile): Assignment[] {
  return nodes
    .filter(node => node.kind === 'attribute')
    .map(({ name, value, line }) => ({ name, text: value, file: path, line }))
}

function localsOf(file: TemplateFile): Assignment[] {
  const groups = blocksOf({ body: file.nodes }, 'locals').flatMap(({ body }) =>
    assignmentsOf({ ...file, nodes: body }),
  )
  const single = blocksOf({ body: file.nodes }, 'local').map(block => ({
    name: block.labels[0] ?? '',
    text: attributeOf(block, 'expression')?.value ?? '',
    file: file.path,
    line: block.line,
  }))
  return [...groups, ...single]
}

function sourcesOf({ path, nodes }: TemplateFile): SourceBlock[] {
  return blocksOf({ body: nodes }, 'source').map(block => {
    const [type = '', name = ''] = block.labels
    return { type, name, file: path, block }
  })
}

/** Sources that the builds of a file name, in `sources` or in blocks of their own. */
function usedOf({ path, nodes }: TemplateFile): UsedSource[] {
  return blocksOf({ body: nodes }, 'build').flatMap(build => {
    const listed = attributeOf(build, 'sources')
    const names = listed?.value.match(/(?<=["\s[,]|^)(?:source\.)?[\w-]+\.[\w-]+(?=["\s\],]|$)/g) ?? []
    return [
      ...names.map(source => ({ source, file: path, line: listed!.line })),
      ...blocksOf(build, 'source').map(({ labels, line }) => ({ source: labels[0] ?? '', file: path, line })),
    ].map(used => ({ ...used, source: used.source.replace(/^source\./, '') }))
  })
}

function provisionersOf({ path, nodes }: TemplateFile): Provisioner[] {
  return blocksOf({ body: nodes }, 'build').flatMap(build =>
    blocksOf(build, 'provisioner').map(block => ({ type: block.labels[0] ?? '', file: path, block })),
  )
}
