/** Sends the steps of a sequence in order and returns the answers. */

import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../core/lab-error.mts'
import { bodyOf, queryOf } from './content.mts'
import type { Parameters, Step, StepAnswer } from './sequence.mts'
import { fillIn, logIn, loginHeaders, type Session, useToken } from './session.mts'
import { sendOnce, type WireAnswer } from './wire.mts'

/** Values for the words of the format in a request: any will do, if its form is right. */
const SENT: readonly (readonly [RegExp, string])[] = [
  [/UPID:([^:]+):P:S:T:/g, 'UPID:$1:00000001:00000001:00000001:'],
  [/\bUUID\b/g, '5c1e7a5e-0d4b-4b7e-8a3b-6f1d2c3b4a59'],
  [/\bMAC\b/g, 'BC:24:11:00:00:01'],
  [/\bSHA1\b/g, '0000000000000000000000000000000000000000'],
]

function sentText(session: Session, text: string): string {
  return fillIn(
    session,
    SENT.reduce((sum, [word, value]) => sum.replace(word, value), text),
  )
}

function sentValue(session: Session, value: unknown): unknown {
  if (typeof value === 'string') return sentText(session, value)
  if (Array.isArray(value)) return value.map(each => sentValue(session, each))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sentValue(session, each)]))
}

function parsed(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return { _raw: text }
  }
}

async function sendStep(session: Session, step: Step): Promise<WireAnswer> {
  const params = sentValue(session, step.params) as Step['params']
  const { bytes, type } = bodyOf({ ...step, params })
  const login = await loginHeaders(session, step.as)
  const headers = { ...login, ...(type !== undefined && { 'Content-Type': type }) }
  const more = sentValue(session, step.headers ?? {}) as Record<string, string>
  const path = `${sentText(session, step.path)}${queryOf({ ...step, params })}`
  return sendOnce(session.target, { method: step.method, path, headers: { ...headers, ...more }, bytes })
}

/** Remembers what later steps need: secrets of new tokens, logins of new users. */
async function remember(session: Session, { method, path, params }: Step, body: unknown): Promise<void> {
  const { data } = (body ?? {}) as { data?: Parameters }
  const { 'full-tokenid': token, value } = data ?? {}
  if (typeof token === 'string' && typeof value === 'string') useToken(session, `${token}=${value}`, token)
  const { userid, password } = (params ?? {}) as Record<string, string>
  if (method === 'POST' && path === '/access/users' && userid && password)
    await logIn(session, userid, password)
}

const POLL_MS = 20

function refusal(method: string, path: string, status: number, reason: string): LabError {
  const hint = status === 403 ? 'the login needs this privilege' : 'look at it on the Proxmox, then try again'
  return new LabError(`${method} ${path}: ${status} ${reason}`, hint)
}

/** Asks as root@pam. @returns `data`. @throws {LabError} with the answer's text for another status than 200. */
export async function ask(session: Session, path: string): Promise<unknown> {
  const { status, reason, body } = await answerOf(session, question('GET', path))
  if (status !== 200) throw refusal('GET', path, status, reason)
  return (body as { data: unknown }).data
}

function question(method: string, path: string, params: Parameters | null = null): Step {
  return { section: '', as: 'root@pam', method, path, params }
}

/** Sends a request as root@pam and waits for its task. @throws {LabError} if it fails. */
export async function act(
  session: Session,
  method: string,
  path: string,
  params?: Parameters,
): Promise<void> {
  const { status, reason, task = 'OK' } = await answerOf(session, question(method, path, params))
  if (status !== 200) throw refusal(method, path, status, reason)
  if (!/^(OK|WARNINGS)/.test(task)) throw refusal(method, path, status, task)
}

/** Waits for a task's end. @returns its exit status and its log. */
async function endOf(session: Session, upid: string): Promise<Pick<StepAnswer, 'task' | 'log'>> {
  const path = `/nodes/${upid.split(':')[1]}/tasks/${encodeURIComponent(upid)}`
  for (;;) {
    const { status, exitstatus } = (await ask(session, `${path}/status`)) as Record<string, string>
    if (status === 'stopped') {
      const lines = (await ask(session, `${path}/log`)) as { t: string }[]
      return { task: exitstatus!, log: lines.map(({ t }) => t) }
    }
    await sleep(POLL_MS)
  }
}

function upidIn(body: unknown): string | undefined {
  const { data } = (body ?? {}) as { data?: unknown }
  return typeof data === 'string' && data.startsWith('UPID:') ? data : undefined
}

/** Sends one step and waits for its task. @throws {Error} for a server that cannot be reached. */
export async function answerOf(session: Session, step: Step): Promise<StepAnswer> {
  const { status, reason, text } = await sendStep(session, step)
  const body = parsed(text)
  if (status === 200) await remember(session, step, body)
  const upid = step.method === 'GET' ? undefined : upidIn(body)
  if (upid === undefined) return { status, reason, body }
  session.words.set('upid', upid)
  return { status, reason, body, ...(await endOf(session, upid)) }
}
