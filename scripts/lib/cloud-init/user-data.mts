/** Renders cloud-init templates: cloud-configs with placeholders such as `{{ hostname }}`. */

import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { cloudConfigFault } from './cloud-config.mts'
import { gecosFault, gecosPartOf } from './gecos.mts'
import { type MountedDisk, withMountedDisks } from './mounted-disks.mts'
import { otherKindFault, parseTemplate, type TemplateFault } from './template-faults.mts'
import { cloudInitYaml } from './yaml.mts'

/** Values of the placeholders. A list must be a whole YAML value. */
export type UserDataVariables = Record<string, string | string[]>

const PLACEHOLDER = /\{\{\s*([\w-]+)\s*\}\}/g

/** Folder of the cloud-init templates, from the project's root. */
export const USER_DATA_FOLDER = 'cloud-init/templates'

/**
 * Renders a cloud-init template. It is parsed as YAML first, and then each value is filled in. So no value can become a
 * key, a list or another line of the document. In a GECOS field only what useradd accepts is filled in.
 * @param required Variables that the template must use.
 * @param read Returns the text of the template.
 * @param disks Data disks that are mounted, without a word of the template about them.
 * @returns User-data; the first line is `#cloud-config`.
 * @throws ProxmintError (usage) For an unknown template, (invalid) for a template with a fault.
 */
export async function renderUserData(
  folder: string,
  name: string,
  variables: UserDataVariables,
  required: string[] = [],
  read = readUserDataTemplate,
  disks: readonly MountedDisk[] = [],
): Promise<string> {
  const path = join(folder, `${name}.yaml`)
  const [yaml, text] = await Promise.all([import('yaml'), read(folder, name)])
  const used = new Set(Array.from(text.matchAll(PLACEHOLDER), match => match[1]))
  const unused = required.find(variable => !used.has(variable))
  if (unused !== undefined) throw lacks(path, name, unused)
  const other = otherKindFault(text)
  if (other !== undefined) throw faulty(path, other)
  const { document, faults } = parseTemplate(yaml, text)
  if (faults[0] !== undefined) throw faulty(path, faults[0])
  if (typeof document !== 'object' || document === null) throw invalid(path, 'is empty')
  if (Array.isArray(document)) throw invalid(path, 'is a list, and a cloud-config is a table')
  const own = filled(withoutAnchors(document), path, variables) as Record<string, unknown>
  const { document: user, fault: mountFault } = await withMountedDisks(own, disks)
  const fault = cloudConfigFault(own) ?? mountFault
  if (fault !== undefined) throw invalid(path, fault)
  const written = yaml.stringify(user, cloudInitYaml.write)
  if (!isReadAlike(yaml.parse(written, cloudInitYaml.read), user, written))
    throw invalid(path, 'holds characters that YAML cannot hold, itself or in a value that is filled in')
  return `#cloud-config\n${written}`
}

/** cloud-init's reader refuses the whole document for one such character. */
const UNREADABLE = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u

function isReadAlike(read: unknown, user: object, written: string): boolean {
  return !UNREADABLE.test(written) && isDeepStrictEqual(plain(read), plain(user))
}

/** Buffers of `!!binary` are of several classes. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** Leaves out the keys that hold nothing but anchors: their values stand where they are used by now. */
function withoutAnchors(document: object): object {
  return Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('x-')))
}

/** Reads a cloud-init template. @throws ProxmintError (usage) If the folder does not have it. */
export async function readUserDataTemplate(folder: string, name: string): Promise<string> {
  const known = (await readdir(folder).catch(() => []))
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
  if (known.includes(name)) return readFile(join(folder, `${name}.yaml`), 'utf8')
  throw new ProxmintError(`unknown cloud-init template ${name}${didYouMean(name, known)}`, {
    facts: { known: known.sort().join(', ') || 'none' },
    hint: `a file of ${folder}`,
    exitCode: exitCodes.usage,
  })
}

/** @param key of the value in its table. */
function filled(value: unknown, path: string, variables: UserDataVariables, key = ''): unknown {
  if (typeof value === 'string')
    return key === 'gecos' ? filledGecos(value, path, variables) : filledText(value, path, variables)
  if (Array.isArray(value)) return value.map(one => filled(one, path, variables))
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, filled(one, path, variables, key)]),
  )
}

/** The token's own variable stays as it is: libpam-web3 reads it. */
function filledGecos(text: string, path: string, variables: UserDataVariables): string {
  const cleaned = Object.entries(variables).map(([name, value]) =>
    typeof value === 'string' && name !== 'gecos' ? [name, gecosPartOf(value)] : [name, value],
  )
  const gecos = filledText(text, path, Object.fromEntries(cleaned) as UserDataVariables)
  if (typeof gecos !== 'string') throw invalid(path, 'has a list as gecos')
  const fault = gecosFault(gecos)
  if (fault !== undefined)
    throw invalid(path, `has the gecos "${gecos}", which ${fault}: useradd would make no account`)
  return gecos
}

function filledText(text: string, path: string, variables: UserDataVariables): string | string[] {
  const whole = new RegExp(`^${PLACEHOLDER.source}$`).exec(text)?.[1]
  if (whole !== undefined) return variableOf(whole, path, variables)
  return text.replace(PLACEHOLDER, (_, name: string) => {
    const value = variableOf(name, path, variables)
    if (typeof value === 'string') return value
    throw invalid(path, `uses the list ${name} inside a text`)
  })
}

function variableOf(name: string, path: string, variables: UserDataVariables): string | string[] {
  const value = variables[name]
  if (value !== undefined) return value
  throw invalid(
    path,
    `uses the unknown variable ${name}${didYouMean(name, Object.keys(variables))}`,
    accessHint(name),
  )
}

function lacks(path: string, name: string, variable: string): ProxmintError {
  return new ProxmintError(
    `the cloud-init template ${name} has no {{ ${variable} }}: no wallet would open the VM`,
    {
      facts: { template: path },
      hint: 'choose a template that sets libpam-web3 up, such as nft-auth, or make the VM with --no-web3',
      exitCode: exitCodes.usage,
    },
  )
}

/** Hint for a variable that only VMs with an access credential have. */
function accessHint(name: string): string | undefined {
  return name === 'gecos' ? 'only a VM with wallet login has it: --owner-wallet 0x...' : undefined
}

function faulty(path: string, { what, hint }: TemplateFault): ProxmintError {
  return invalid(path, what, hint)
}

function invalid(
  path: string,
  what: string,
  hint = `correct ${relative('', path)}, then run the same command again`,
): ProxmintError {
  return new ProxmintError(`the cloud-init template ${path} ${what}`, { hint, exitCode: exitCodes.invalid })
}
