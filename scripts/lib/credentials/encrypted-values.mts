/** A rule of .sops.yaml can tell SOPS to leave values in the clear: each secret is looked at in the encrypted file. */
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { parse } from 'yaml'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/** Settings of a rule that choose the values to encrypt. SOPS repeats them in each file. */
const CHOICES = ['encrypted_regex', 'encrypted_suffix', 'unencrypted_regex', 'unencrypted_suffix'] as const
/** SOPS writes it into every file without another choice. */
const DEFAULT_SUFFIX = '_unencrypted'

/** Encrypted file and the keys of its secret values. */
interface EncryptedFile {
  path: string
  /** What is on the disk, or is about to be. */
  text: string
  secrets: readonly string[]
  /** Recipient of the identity, of a file that is not written yet: nobody else can have its values. */
  recipient?: string
}

/**
 * Checks that no secret value stands in the clear.
 * @throws ProxmintError (denied) With the keys, the rule and what to do. No value is shown.
 */
export async function requireEncrypted(file: EncryptedFile): Promise<void> {
  const values = mappingOf(file.text)
  const clear = file.secrets.filter(key => isClear(values[key]))
  if (clear.length === 0) return
  const rule = ruleOf(values['sops'])
  throw new ProxmintError(`SOPS leaves ${clear.join(' and ')} in the clear in ${file.path}`, {
    facts: { rule: rule && (await placeOf(rule)) },
    hint: file.recipient === undefined ? fixOfWritten(file.path, clear) : fixOfNew(file.path, file.recipient),
    exitCode: exitCodes.denied,
  })
}

function mappingOf(text: string): Record<string, unknown> {
  const value: unknown = parse(text)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** SOPS leaves empty values as they are. */
function isClear(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && !String(value).startsWith('ENC[')
}

function ruleOf(metadata: unknown): string | undefined {
  const settings = (metadata ?? {}) as Record<string, unknown>
  const name = CHOICES.find(
    choice => typeof settings[choice] === 'string' && settings[choice] !== DEFAULT_SUFFIX,
  )
  return name && `${name}: ${settings[name]}`
}

/** Adds the line of .sops.yaml that says so, if it is in this folder. */
async function placeOf(rule: string): Promise<string> {
  const [name = ''] = rule.split(':')
  const text = await readFile('.sops.yaml', 'utf8').catch(() => '')
  const line = text.split('\n').findIndex(one => one.trim().replace(/^- /, '').startsWith(`${name}:`)) + 1
  return line === 0 ? rule : `${rule} (.sops.yaml, line ${line})`
}

function fixOfNew(path: string, recipient: string): string {
  const rule = creationRule(path, recipient).join('\n')
  return `make this the first of \`creation_rules\` in .sops.yaml, and run this again; the file was not written:\n${rule}`
}

function fixOfWritten(path: string, clear: string[]): string {
  const rule = creationRule(path, 'AGE-RECIPIENTS').join('\n')
  const renewed = `make new ones for what it was: ${clear.join(', ')}; whoever has a copy of the file, or of the repository, can read them`
  return `make this the first of \`creation_rules\` in .sops.yaml, with your recipients:\n${rule}\n; then: sops decrypt --in-place ${path} && sops encrypt --in-place ${path}; if the file was ever pushed, ${renewed}`
}

/** Lines of a rule of .sops.yaml that encrypts every value of the file, and of others like it beside it. */
export function creationRule(path: string, recipients: string): string[] {
  const folder = basename(dirname(path))
  const name = path.endsWith('.enc.yaml') ? '.*\\.enc\\.yaml' : basename(path).replaceAll('.', '\\.')
  const regex = `${folder === '.' ? '' : `${folder}/`}${name}$`
  return [`  - path_regex: ${regex}`, `    age: ${recipients}`]
}
