/** Renders cloud-init templates: cloud-configs with placeholders such as `{{ hostname }}`. */

import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { cloudConfigFault } from './cloud-config.mts'
import { cloudInitYaml } from './yaml.mts'

/** Values of the placeholders. A list must be a whole YAML value. */
export type UserDataVariables = Record<string, string | string[]>

const PLACEHOLDER = /\{\{\s*([\w-]+)\s*\}\}/g

/** Folder of the cloud-init templates, from the project's root. */
export const USER_DATA_FOLDER = 'cloud-init/templates'

/**
 * Renders a cloud-init template. It is parsed as YAML first, and then each value is filled in. So no value can become a
 * key, a list or another line of the document.
 * @param required Variables that the template must use.
 * @param read Returns the text of the template.
 * @returns User-data; the first line is `#cloud-config`.
 * @throws ProxmintError (usage) For an unknown template, (invalid) for a template with a fault.
 */
export async function renderUserData(
  folder: string,
  name: string,
  variables: UserDataVariables,
  required: string[] = [],
  read = readUserDataTemplate,
): Promise<string> {
  const path = join(folder, `${name}.yaml`)
  const [{ parse, stringify }, text] = await Promise.all([import('yaml'), read(folder, name)])
  const used = new Set(Array.from(text.matchAll(PLACEHOLDER), match => match[1]))
  const unused = required.find(variable => !used.has(variable))
  if (unused !== undefined) throw lacks(path, name, unused)
  let document: unknown
  try {
    document = parse(text, cloudInitYaml.read)
  } catch (cause) {
    throw invalid(path, `is not YAML: ${String(cause)}`)
  }
  if (typeof document !== 'object' || document === null) throw invalid(path, 'is empty')
  const user = filled(document, path, variables) as object
  const fault = cloudConfigFault(user)
  if (fault !== undefined) throw invalid(path, fault)
  return `#cloud-config\n${stringify(user, cloudInitYaml.write)}`
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

function filled(value: unknown, path: string, variables: UserDataVariables): unknown {
  if (typeof value === 'string') return filledText(value, path, variables)
  if (Array.isArray(value)) return value.map(one => filled(one, path, variables))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(one, path, variables)]))
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

function invalid(
  path: string,
  what: string,
  hint = `correct ${relative('', path)}, then run the same command again`,
): ProxmintError {
  return new ProxmintError(`the cloud-init template ${path} ${what}`, { hint, exitCode: exitCodes.invalid })
}
