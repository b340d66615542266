/** The command `credentials`: export, init and check. */
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { checkedCredentials, TLS_FIX, tlsWarning } from '../credentials/credentials.mts'
import { exportedVariables, shellExports } from '../credentials/export.mts'
import { type InitResult, initCredentials, planCredentials, templateText } from '../credentials/init.mts'
import { CREDENTIALS_FILE, encryptedSource } from '../credentials/load.mts'
import { fileSource } from '../credentials/source.mts'
import type { Answer } from '../run/answer.mts'
import { exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { describeCommand } from '../run/exec.mts'
import { say } from '../run/progress.mts'
import { requireTool } from '../tools/find.mts'
import type { Tool } from '../tools/tool.mts'
import { connect } from './connect.mts'
import { requireNode } from './require-node.mts'
import { requireStorages } from './require-storages.mts'

/** Variables of the credentials in the SOPS file. The text has them as shell lines. */
export async function exportCredentials(): Promise<Answer> {
  const { credentials, warnings } = checkedCredentials(await encryptedSource())
  for (const warning of warnings) say(`warning: ${warning}`)
  const variables = exportedVariables(credentials)
  return { document: variables, text: shellExports(variables).trimEnd(), isSecret: true }
}

/** Makes age identity, `.sops.yaml` and the encrypted file from YAML on standard input, or from the template. */
export async function makeCredentials(dryRun: boolean): Promise<Answer> {
  const [sops, age] = await Promise.all([requireTool('sops'), requireTool('age')])
  const given = process.stdin.isTTY ? '' : await text(process.stdin)
  const content = given.trim() === '' ? await templateText() : given
  if (content === given) await checkGiven(given)
  const file = process.env['PROXMINT_CREDENTIALS'] ?? CREDENTIALS_FILE
  const edit = editCommand(sops, file)
  if (dryRun) {
    const plan = await planCredentials(file, edit)
    return { document: { plan }, text: `would make: ${plan.join(', ')}` }
  }
  const result = await initCredentials(
    { sops: sops.file, ageKeygen: join(dirname(age.file), 'age-keygen'), edit },
    file,
    content,
  )
  return { document: result, text: formatMade(result, given.trim() === '' ? edit : undefined) }
}

/** @param edit command that puts values in place of those of the template. */
function formatMade(result: InitResult, edit: string | undefined): string {
  return [
    `${result.identityCreated ? 'made' : 'found'} the age identity ${result.identity}; its recipient is ${result.recipient}`,
    ...(result.identityCreated ? ['keep a copy of it: without it nobody opens the credentials'] : []),
    ...(result.sopsConfigCreated ? ['made .sops.yaml'] : []),
    `made ${result.file}`,
    ...(edit === undefined ? [] : [`now: ${edit}`]),
  ].join('\n')
}

/** Names the command to edit the file, ready to be typed: a tool in the cache is not on PATH without direnv. */
export function editCommand({ file: program, origin }: Pick<Tool, 'file' | 'origin'>, file: string): string {
  const isOnPath = origin === 'path' || origin === 'system'
  return describeCommand({ file: isOnPath ? 'sops' : program, args: ['edit', file] })
}

/** Checks the values before anything is made. @throws ProxmintError (invalid) for faulty ones. */
async function checkGiven(content: string): Promise<void> {
  const { parse } = await import('yaml')
  let values: unknown
  try {
    values = parse(content)
  } catch (cause) {
    throw new ProxmintError(`standard input is not YAML: ${messageOf(cause).split('\n')[0]}`, {
      hint: 'secrets/TEMPLATE-proxmox-creds.yaml shows what it must look like',
      cause,
      exitCode: exitCodes.invalid,
    })
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new ProxmintError('standard input is not a YAML mapping of keys to values', {
      hint: 'secrets/TEMPLATE-proxmox-creds.yaml shows what it must look like',
      exitCode: exitCodes.invalid,
    })
  }
  checkedCredentials(fileSource('standard input', values as Record<string, unknown>, 'there,'))
}

/**
 * Checks the format, logs in, and looks for node and storage.
 * @throws ProxmintError (invalid) If the node or the storage is not there.
 */
export async function checkLogin(): Promise<Answer> {
  const { client, version, credentials } = await connect()
  const { node, storagePool } = credentials
  await requireNode(client, node, 'proxmox_node in the credentials')
  const disks = {
    storage: storagePool,
    contents: ['images'],
    setBy: 'proxmox_storage_pool in the credentials',
  }
  await requireStorages(client, node, [disks])
  const warning = tlsWarning(credentials)
  const document = {
    identity: client.identity,
    url: credentials.url,
    version: version.version,
    node,
    storage: storagePool,
    ...(warning !== undefined && { warning }),
  }
  const text = `${document.identity} at ${document.url}: Proxmox VE ${document.version}, node ${node}, storage ${storagePool}`
  return { document, text: warning === undefined ? text : `${text}\nwarning: ${warning}\n  fix: ${TLS_FIX}` }
}
