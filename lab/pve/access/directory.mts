/** Connections to the LDAP server of a realm. The lab reaches a server and goes no further. */

import { connect } from 'node:net'
import type { Realm } from './realms.mts'

/** Seconds that a connection may take. */
const TIMEOUT = 10

const TEXTS: Record<string, string> = {
  ENOTFOUND: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  ECONNREFUSED: 'Connection refused',
  ETIMEDOUT: 'Connection timed out',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
}

function portOf({ port, mode, secure }: Realm): number {
  return Number(port ?? (mode === 'ldaps' || (mode === undefined && secure) ? 636 : 389))
}

function faultAt(host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: TIMEOUT * 1000 })
    const end = (fault: string | undefined): void => {
      socket.destroy()
      resolve(fault)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end(TEXTS['ETIMEDOUT']))
    socket.once('error', (error: NodeJS.ErrnoException) => end(TEXTS[error.code ?? ''] ?? error.message))
  })
}

/** Tries the servers of a realm. Returns why the last one cannot be used. */
export async function directoryFault(realm: Realm): Promise<string> {
  let fault: string | undefined
  for (const host of [realm['server1'], realm['server2']]) {
    if (host === undefined) continue
    fault = await faultAt(String(host), portOf(realm))
    if (fault === undefined) return `${host} answers, but this lab has no LDAP client`
  }
  return fault ?? 'no server'
}
