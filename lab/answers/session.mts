/** Logins of a replay: tickets of users as they are made, secrets of tokens, and the last task. */

import { encode } from './content.mts'
import { sendOnce, type Target } from './wire.mts'

type Headers = Record<string, string>

/** What earlier steps of a replay gave for later ones. */
export interface Session {
  target: Target
  /** User or token that takes the place of root@pam. */
  login: string
  /** Headers of each login, by user or token. */
  logins: Map<string, Headers>
  /** Words that steps can use: `ticket:USER`, `csrf:USER`, `upid`. */
  words: Map<string, string>
  /** Passwords of users whose login was refused so far: they may be disabled and become enabled. */
  passwords: Map<string, string>
}

/** @param login user or token that takes the place of root@pam. */
export function newSession(target: Target, login: string): Session {
  return { target, login, logins: new Map(), words: new Map(), passwords: new Map() }
}

/** Remembers an API token. @param token `user@realm!id=secret`. @param as the steps that use it. */
export function useToken(session: Session, token: string, as: string): void {
  session.logins.set(as, { Authorization: `PVEAPIToken=${token}` })
}

/** Logs a user in and remembers the ticket, or the password for another try if the login is refused. */
export async function logIn(session: Session, username: string, password: string): Promise<boolean> {
  const { status, text } = await sendOnce(session.target, {
    method: 'POST',
    path: '/access/ticket',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    bytes: Buffer.from(encode({ username, password })),
  })
  session.passwords.set(username, password)
  if (status !== 200) return false
  const { ticket, CSRFPreventionToken: csrf } = JSON.parse(text).data
  session.words.set(`ticket:${username}`, ticket).set(`csrf:${username}`, csrf)
  const cookie = `PVEAuthCookie=${encodeURIComponent(ticket)}`
  session.logins.set(username, { Cookie: cookie, CSRFPreventionToken: csrf })
  return true
}

/** Returns the headers of a login. @throws {Error} for a user or token that the replay does not know. */
export async function loginHeaders(session: Session, as: string | null): Promise<Headers> {
  if (as === null) return {}
  const { logins, passwords } = session
  if (!logins.has(as) && passwords.has(as)) await logIn(session, as, passwords.get(as)!)
  const headers = logins.get(as)
  if (!headers) throw new Error(`no earlier step made ${as}, or its login failed`)
  return headers
}

/** Puts logins and the last task's id in place of `{ticket:USER}`, `{csrf:USER}` and `{upid}`. */
export function fillIn({ words }: Session, text: string): string {
  return text.replace(/\{((?:ticket|csrf):[^}|]+|upid)(\|quoted)?\}/g, (_, name, quoted) => {
    const value = words.get(name) ?? ''
    return quoted ? encodeURIComponent(value) : value
  })
}
