/** Reads template folders: hcl2json gives the values, hcl-source.mts the positions. */

import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { type AttributeNode, type BlockNode, type HclNode, locateNodes } from './hcl-source.mts'
import { brokenLink, kindOf, realPathOf } from './links.mts'

/** File of a template folder. */
interface TemplateFile {
  /** Path from the project's root: `packer/debian/debian.pkr.hcl`. */
  path: string
  text: string
  nodes: HclNode[]
}

/** Value of hcl2json. An expression is a string such as `${var.x}`. */
export type HclValue = string | number | boolean | null | HclValue[] | { [key: string]: HclValue }

export interface Variable {
  name: string
  file: string
  line: number
  sensitive: boolean
  /** Undefined if the variable must be set. */
  default: HclValue | undefined
}

export interface SourceBlock {
  /** `proxmox-clone`. */
  type: string
  name: string
  file: string
  block: BlockNode
  /** Content of the block, by hcl2json. */
  values: Record<string, HclValue>
}

/** Template folder as Packer reads it: all its `*.pkr.hcl` together. */
export interface Template {
  /** Name of the folder. */
  os: string
  folder: string
  files: TemplateFile[]
  variables: Variable[]
  /** Variables of `*.auto.pkrvars.hcl`. */
  overrides: Record<string, HclValue>
  sources: SourceBlock[]
  /** Every `provisioner` block of every build. */
  provisioners: { file: string; block: BlockNode; values: Record<string, HclValue> }[]
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
  const documents = await Promise.all(files.map(async file => ({ file, json: await toJson(file) })))
  const sources = documents.flatMap(({ file, json }) => sourcesOf(file, json))
  requireOneOfEach(folder, sources)
  return {
    os,
    folder,
    files,
    overrides: await readOverrides(folder),
    variables: documents.flatMap(({ file, json }) => variablesOf(file, json)),
    sources,
    provisioners: documents.flatMap(({ file, json }) => provisionersOf(file, json)),
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
  const files = await readEnding(folder, '.pkr.hcl')
  if (files.length > 0) return files
  throw new ProxmintError(`${folder} holds no *.pkr.hcl file`, { exitCode: exitCodes.invalid })
}

async function readEnding(folder: string, ending: string): Promise<TemplateFile[]> {
  const names = (await readdir(folder)).filter(name => name.endsWith(ending)).sort()
  return Promise.all(
    names.map(async name => {
      const path = join(folder, name)
      const text = await readFile(path, 'utf8').catch(async cause => {
        throw await brokenLink(path, cause)
      })
      return { path, text, nodes: locateNodes(text, path) }
    }),
  )
}

/** Reads the overrides. Later files win, as in Packer. */
async function readOverrides(folder: string): Promise<Record<string, HclValue>> {
  const documents = await Promise.all((await readEnding(folder, '.auto.pkrvars.hcl')).map(toJson))
  return Object.assign({}, ...documents) as Record<string, HclValue>
}

type Json = Record<string, HclValue>

async function toJson(file: TemplateFile): Promise<Json> {
  // hcl2json takes 90 ms to load and 230 ms for the first file: it is loaded only if needed.
  const { parse } = await import('@cdktf/hcl2json')
  try {
    return (await parse(file.path, file.text)) as Json
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

function blocks(file: TemplateFile, type: string): BlockNode[] {
  return file.nodes.filter((node): node is BlockNode => node.kind === 'block' && node.type === type)
}

/** Values of the n-th block of a type: hcl2json keeps the order of the text. */
function valuesOf(json: HclValue | undefined, index: number): Record<string, HclValue> {
  const value = Array.isArray(json) ? json[index] : json
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

function child(json: HclValue | undefined, key: string): HclValue | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json[key] : undefined
}

function variablesOf(file: TemplateFile, json: Json): Variable[] {
  return blocks(file, 'variable').map(block => {
    const name = block.labels[0] ?? ''
    const values = valuesOf(child(json['variable'], name), 0)
    return {
      name,
      file: file.path,
      line: block.line,
      sensitive: values['sensitive'] === true,
      default: values['default'],
    }
  })
}

function sourcesOf(file: TemplateFile, json: Json): SourceBlock[] {
  return blocks(file, 'source').map(block => {
    const [type = '', name = ''] = block.labels
    return {
      type,
      name,
      file: file.path,
      block,
      values: valuesOf(child(child(json['source'], type), name), 0),
    }
  })
}

function provisionersOf(file: TemplateFile, json: Json): Template['provisioners'] {
  return blocks(file, 'build').flatMap((build, buildIndex) => {
    const values = valuesOf(json['build'], buildIndex)
    const seen: Record<string, number> = {}
    const found = build.body.filter(
      (node): node is BlockNode => node.kind === 'block' && node.type === 'provisioner',
    )
    return found.map(block => {
      const type = block.labels[0] ?? ''
      const index = seen[type] ?? 0
      seen[type] = index + 1
      return { file: file.path, block, values: valuesOf(child(values['provisioner'], type), index) }
    })
  })
}

/** Attribute of a block itself, not of a block within it. */
export function attributeOf(block: BlockNode, name: string): AttributeNode | undefined {
  return block.body.find((node): node is AttributeNode => node.kind === 'attribute' && node.name === name)
}
