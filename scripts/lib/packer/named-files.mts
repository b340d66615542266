/** Files of this machine that a template names, wherever they are. */
import { isAbsolute, relative, resolve } from 'node:path'
import { evaluate } from './evaluate.mts'
import { type Expression, type Value, within } from './expression.mts'
import { attributesWithin } from './hcl-source.mts'
import { type Given, scopeOf } from './scope.mts'
import type { Template } from './template.mts'

/** Attributes of provisioners and sources that name files and folders of this machine. */
const FILE_ATTRIBUTES = [
  'source',
  'sources',
  'script',
  'scripts',
  'http_directory',
  'cd_files',
  'floppy_files',
  'floppy_dirs',
  'playbook_file',
  'playbook_dir',
  'inventory_file',
  'galaxy_file',
]

/** Functions that read a file. */
const FILE_FUNCTIONS = ['file', 'filebase64', 'templatefile']

/**
 * Lists files and folders that the template names, as far as the names are known before the build.
 * @returns Paths from the family's folder, or absolute ones where the template names them so.
 */
export function namedFiles(template: Template, given: Given): string[] {
  const scope = scopeOf(template, given)
  const blocks = [
    ...template.sources.map(({ block }) => block),
    // Packer takes the source of a download from the guest.
    ...template.provisioners.map(({ block }) => block).filter(block => !isDownload(block)),
  ]
  const attributes = blocks
    .flatMap(attributesWithin)
    .filter(({ name }) => FILE_ATTRIBUTES.includes(name))
    .map(({ value }) => template.expressions.get(value))
  const calls = [...template.expressions.values()].flatMap(within).flatMap(fileArgument)
  const values = [...attributes, ...calls].map(expression => expression && evaluate(expression, scope))
  return [...new Set(values.flatMap(textsOf))].map(path => fromFolder(template, path))
}

function isDownload(block: Template['provisioners'][number]['block']): boolean {
  return attributesWithin(block).some(({ name, value }) => name === 'direction' && value === '"download"')
}

function fileArgument(expression: Expression): Expression[] {
  return expression.kind === 'call' && FILE_FUNCTIONS.includes(expression.name)
    ? expression.args.slice(0, 1)
    : []
}

function textsOf(value: Value | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf)
  return typeof value === 'string' && value !== '' ? [value] : []
}

/** A path that is written from `path.root` is relative, so that it is the same on every machine. */
function fromFolder({ folder }: Template, path: string): string {
  const root = resolve(folder)
  return isAbsolute(path) && !path.startsWith(`${root}/`) ? path : relative(root, resolve(root, path))
}
