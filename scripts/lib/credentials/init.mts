import { access, chmod, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type CommandResult, command, runCommand } from '../run/exec.mts'
import { creationRule, requireEncrypted } from './encrypted-values.mts'
import { identityLocation } from './sops.mts'
import { SECRET_KEYS } from './source.mts'

/** SOPS looks for a rule even if it is told the recipient. */
const NO_RULE = /no matching creation rules/i

interface InitTools {
  sops: string
  ageKeygen: string
  /** Command that edits the encrypted file, for hints. */
  edit: string
}

export interface InitResult {
  /** Path of the age identity. */
  identity: string
  identityCreated: boolean
  /** Public key: `age1...`. */
  recipient: string
  sopsConfigCreated: boolean
  /** Path of the encrypted file. */
  file: string
}

/**
 * Creates the missing ones of: an age identity where SOPS looks for it, `.sops.yaml` for its recipient, the encrypted
 * credentials. It never changes an existing encrypted file.
 * @param content Plain YAML. SOPS reads it from a pipe, so it is never on a disk.
 * @throws ProxmintError If the encrypted file exists or SOPS refuses the content; nothing is created then.
 */
export async function initCredentials(tools: InitTools, file: string, content: string): Promise<InitResult> {
  await refuseExisting(file, tools.edit)
  await requireEncryptable(tools, file, content)
  const identity = identityLocation()
  const identityCreated = await ensureIdentity(tools, identity)
  const recipient = await recipientOf(tools, identity)
  const sopsConfigCreated = await ensureSopsConfig(file, recipient)
  const encrypted = await encrypt(tools, file, content, recipient)
  requireRecipient(encrypted, recipient)
  await requireEncrypted({ path: file, text: encrypted, secrets: SECRET_KEYS, recipient })
  await writeFileAtomic(file, encrypted)
  return { identity, identityCreated, recipient, sopsConfigCreated, file }
}

/** Paths of the files that `initCredentials` would create. */
export async function planCredentials(file: string, edit: string): Promise<string[]> {
  await refuseExisting(file, edit)
  const missing: string[] = []
  for (const path of [identityLocation(), '.sops.yaml']) if (!(await exists(path))) missing.push(path)
  return [...missing, file]
}

async function refuseExisting(file: string, edit: string): Promise<void> {
  if (!(await exists(file))) return
  throw new ProxmintError(`${file} exists`, {
    hint: `change it: ${edit}; to make a new one, delete it first`,
    exitCode: exitCodes.usage,
  })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function ensureIdentity({ ageKeygen }: InitTools, path: string): Promise<boolean> {
  if (process.env['SOPS_AGE_KEY'] !== undefined || (await exists(path))) return false
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const { code, stderr } = await runCommand({ file: ageKeygen, args: ['-o', path] })
  if (code !== 0)
    throw new ProxmintError(`cannot make an age identity at ${path}`, {
      facts: { 'age-keygen': stderr },
      hint: `make ${dirname(path)} writable for this user, or name another file in SOPS_AGE_KEY_FILE`,
    })
  await chmod(path, 0o600)
  return true
}

async function recipientOf({ ageKeygen }: InitTools, identity: string): Promise<string> {
  const inEnvironment = process.env['SOPS_AGE_KEY']
  const plan =
    inEnvironment === undefined
      ? { file: ageKeygen, args: ['-y', identity] }
      : { file: ageKeygen, args: ['-y'], input: inEnvironment }
  const { code, stdout, stderr } = await runCommand(plan)
  const recipient = stdout.trim().split('\n')[0] ?? ''
  if (code === 0 && recipient.startsWith('age1')) return recipient
  throw new ProxmintError(`${identity} holds no age identity`, {
    facts: { 'age-keygen': stderr.trim() },
    hint: 'an identity is a line AGE-SECRET-KEY-1...: move the file away and run this again, or correct SOPS_AGE_KEY',
  })
}

/** Creates .sops.yaml if it is missing. */
async function ensureSopsConfig(file: string, recipient: string): Promise<boolean> {
  if (await exists('.sops.yaml')) return false
  const lines = [
    '# Who can open the encrypted files of this repository: one recipient per person or machine, separated',
    `# by commas. After a change: sops updatekeys ${file}`,
    'creation_rules:',
    ...creationRule(file, recipient),
    '',
  ]
  await writeFileAtomic('.sops.yaml', lines.join('\n'))
  return true
}

/** @throws ProxmintError (invalid) If the file is encrypted for others alone. */
function requireRecipient(encrypted: string, recipient: string): void {
  if (encrypted.includes(recipient)) return
  throw new ProxmintError('.sops.yaml does not name your recipient: you could not open what it encrypts', {
    facts: { recipient },
    hint: 'add it to `age:` of the first rule in .sops.yaml that matches, behind a comma, and run this again',
    exitCode: exitCodes.invalid,
  })
}

/** Encrypts the content once for a new recipient, as a test: SOPS does not accept every YAML document. */
async function requireEncryptable(tools: InitTools, file: string, content: string): Promise<void> {
  const made = await runCommand({ file: tools.ageKeygen, args: [] })
  const [recipient = ''] = /age1\w+/.exec(made.stdout) ?? []
  const { code, stderr } = await runSops(tools, file, content, ['--age', recipient])
  if (code === 0 || NO_RULE.test(stderr)) return
  throw new ProxmintError('SOPS cannot encrypt what it was given', {
    facts: { sops: lastLines(stderr) },
    hint: 'correct the YAML on standard input; nothing was made',
    exitCode: exitCodes.invalid,
  })
}

async function encrypt(tools: InitTools, file: string, content: string, recipient: string): Promise<string> {
  const { code, stdout, stderr } = await runSops(tools, file, content, [])
  if (code === 0) return `${stdout}\n`
  if (NO_RULE.test(stderr)) throw noRule(file, recipient)
  throw new ProxmintError(`cannot encrypt ${file}`, {
    facts: { sops: lastLines(stderr) },
    hint: 'SOPS encrypts by the first rule of .sops.yaml whose path_regex matches: correct it, and run this again',
    exitCode: exitCodes.invalid,
  })
}

function noRule(file: string, recipient: string): ProxmintError {
  return new ProxmintError(`no rule of .sops.yaml is for ${file}`, {
    hint: `add to \`creation_rules\` in .sops.yaml, and run this again; the file was not written:\n${creationRule(file, recipient).join('\n')}`,
    exitCode: exitCodes.invalid,
  })
}

/** Runs SOPS behind `cat`: SOPS opens /dev/stdin, which fails on the sockets that Node uses as pipes. */
function runSops(
  { sops }: InitTools,
  file: string,
  content: string,
  further: string[],
): Promise<CommandResult> {
  const { args } =
    command`sops encrypt --filename-override ${file} --input-type yaml --output-type yaml ${further}`
  return runCommand({ file: 'sh', args: ['-c', 'cat | "$0" "$@" /dev/stdin', sops, ...args], input: content })
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-2).join(' | ')
}

/** Commented template of the repository. */
export function templateText(): Promise<string> {
  return readFile(new URL('../../../secrets/TEMPLATE-proxmox-creds.yaml', import.meta.url), 'utf8')
}
