import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { cloudConfigFault } from './cloud-config.mts'
import { cloudInitYaml } from './yaml.mts'

/** What a cloud-init template may use; a list fills a whole value. */
export type UserDataVariables = Record<string, string | string[]>

const placeholder = /\{\{\s*([\w-]+)\s*\}\}/g

/** Where cloud-init templates are, from the project's root. */
export const userDataFolder = 'cloud-init/templates'

/**
 * Fills a cloud-init template in. It is read as YAML first and filled in value by value, so that no value can
 * become a key, a list or a second line of the document.
 * @param required variables without which the template is of no use here.
 * @returns user-data, beginning with `#cloud-config`.
 * @param read gives the text of the template, for a caller that has it already.
 * @throws ProxmintError (usage) for an unknown template, (invalid) for one that cannot be filled in.
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
  const used = new Set(Array.from(text.matchAll(placeholder), match => match[1]))
  const unused = required.find(variable => !used.has(variable))
  if (unused !== undefined) throw lacks(path, name, unused)
  let document: unknown
  try {
    document = parse(text, cloudInitYaml.read)
  } catch (cause) {
    throw invalid(path, `is no YAML: ${String(cause)}`)
  }
  if (typeof document !== 'object' || document === null) throw invalid(path, 'is empty')
  const user = filled(document, path, variables) as object
  const fault = cloudConfigFault(user)
  if (fault !== undefined) throw invalid(path, fault)
  return `#cloud-config\n${stringify(user, cloudInitYaml.write)}`
}

/** Reads a cloud-init template. @throws ProxmintError (usage) for one that the folder does not have. */
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
  const whole = new RegExp(`^${placeholder.source}$`).exec(text)?.[1]
  if (whole !== undefined) return variableOf(whole, path, variables)
  return text.replace(placeholder, (_, name: string) => {
    const value = variableOf(name, path, variables)
    if (typeof value === 'string') return value
    throw invalid(path, `uses the list ${name} inside of a text`)
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
      hint: 'take one that sets libpam-web3 up, such as nft-auth, or make the VM with --no-web3',
      exitCode: exitCodes.usage,
    },
  )
}

/** Of a variable that only VMs with an access credential have. */
function accessHint(name: string): string | undefined {
  return name === 'gecos' ? 'only a VM that opens with a wallet has it: --owner-wallet 0x...' : undefined
}

function invalid(
  path: string,
  what: string,
  hint = `mend ${relative('', path)}, and run the same command again: it is read anew each time`,
): ProxmintError {
  return new ProxmintError(`the cloud-init template ${path} ${what}`, { hint, exitCode: exitCodes.invalid })
}
