/** `pve-lab record`: from words to a recording, and its result in a file. */

import { readFile, writeFile } from 'node:fs/promises'
import { LabError, LabUsageError } from '../core/lab-error.mts'
import { isOwn } from './own.mts'
import { cleanRecording, type Recording, recordSequence } from './record.mts'
import { readSequence, type Step, writeSequence } from './sequence.mts'
import { logIn, newSession, type Session, useToken } from './session.mts'

/** Words of `pve-lab record`. */
interface RecordWords {
  /** File of the sequence; none with `clean`. */
  file: string | undefined
  url: string | undefined
  node: string | undefined
  /** `NAME=STORAGE`, each for one storage of the sequence. */
  storages: string[]
  block: string | undefined
  out: string | undefined
  clean: boolean
  dryRun: boolean
}

type Environment = Record<string, string | undefined>

const DEFAULT_BLOCK = 990_100

function blockOf(text: string | undefined): number {
  const block = text === undefined ? DEFAULT_BLOCK : Number(text)
  if (Number.isInteger(block) && block >= 1000 && block <= 999_999) return block
  throw new LabUsageError(`--block \`${text}\` is not accepted`, 'it takes a number from 1000 to 999999')
}

function storagesOf(words: string[]): Record<string, string> {
  const pairs = words.map(word => {
    const [, name, storage] = /^([^=]+)=([^=]+)$/.exec(word) ?? []
    if (name === undefined || storage === undefined)
      throw new LabUsageError(
        `--storage \`${word}\` is not accepted`,
        'it takes NAME=STORAGE, such as tank=local-lvm',
      )
    return [name, storage]
  })
  return Object.fromEntries(pairs)
}

async function stepsOf(file: string | undefined): Promise<Step[]> {
  if (file === undefined) throw new LabUsageError('record needs a sequence: record FILE', 'pve-lab --help')
  try {
    return readSequence(await readFile(file, 'utf8'))
  } catch (error) {
    throw new LabUsageError(
      `${file} is no sequence: ${(error as Error).message}`,
      'lab/test/conformance/README.md shows the format',
    )
  }
}

/** Logs in as the environment says: by an API token, or as a user with a password. @throws {LabUsageError} @throws {LabError} */
async function sessionOf(url: string | undefined, environment: Environment): Promise<Session> {
  const { PROXMOX_URL, PROXMOX_CA_FILE, PROXMOX_API_TOKEN, PROXMOX_USERNAME, PROXMOX_PASSWORD } = environment
  const where = url ?? PROXMOX_URL
  if (where === undefined)
    throw new LabUsageError(
      'record needs a Proxmox',
      'give --url https://HOST:8006/api2/json, or PROXMOX_URL',
    )
  const ca = PROXMOX_CA_FILE === undefined ? undefined : await readFile(PROXMOX_CA_FILE, 'utf8')
  const target = { url: where.replace(/\/+$/, ''), ca }
  const token = PROXMOX_API_TOKEN?.replace(/^PVEAPIToken=/, '')
  const login = token?.split('=')[0] ?? PROXMOX_USERNAME ?? 'root@pam'
  const session = newSession(target, login)
  if (token !== undefined) useToken(session, token, 'root@pam')
  else await logInAs(session, PROXMOX_PASSWORD)
  return session
}

async function logInAs(session: Session, password: string | undefined): Promise<void> {
  const { login, logins } = session
  if (password === undefined || !(await logIn(session, login, password)))
    throw new LabError(
      `${login} cannot log in`,
      'set PROXMOX_USERNAME and PROXMOX_PASSWORD, or PROXMOX_API_TOKEN',
    )
  logins.set('root@pam', logins.get(login)!)
}

/** What would be sent, without sending it. */
function planOf(steps: Step[], block: number): string {
  const own = steps.filter(isOwn).length
  return `${own} of ${steps.length} steps touch VMs of the sequence alone and would be sent, on VMIDs from ${block}000 to ${block}999.`
}

async function write(out: string | undefined, { steps, about }: Recording): Promise<void> {
  const text = writeSequence(steps, about)
  if (out === undefined) process.stdout.write(text)
  else await writeFile(out, text)
}

/**
 * Records a sequence, or removes what an earlier recording left.
 * @returns the sentence for the end. @throws {LabUsageError} @throws {LabError}
 */
export async function runRecord(
  words: RecordWords,
  environment: Environment,
  signal: AbortSignal,
): Promise<string> {
  const block = blockOf(words.block)
  const storages = storagesOf(words.storages)
  if (words.clean) {
    const removed = await cleanRecording(await sessionOf(words.url, environment), block)
    return removed.length === 0 ? 'No recording left a VM.' : `Removed: VM ${removed.join(', ')}.`
  }
  const steps = await stepsOf(words.file)
  if (words.dryRun) return planOf(steps, block)
  const session = await sessionOf(words.url, environment)
  const onProgress = (line: string): void => void process.stderr.write(`${line}\n`)
  onProgress(planOf(steps, block))
  const recording = await recordSequence(
    session,
    steps,
    { block, node: words.node, storages, onProgress },
    signal,
  )
  await write(words.out, recording)
  const { equal, compared } = recording
  return `${recording.steps.length} answers recorded; ${equal} of ${compared} are as in the sequence.`
}
