/** Task ids: `UPID:node:pid:pstart:starttime:type:id:user@realm[!tokenid]:`, numbers in hex. */

export interface Upid {
  node: string
  pid: number
  pstart: number
  /** Seconds since the epoch. */
  starttime: number
  type: string
  id: string
  authid: string
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}

export function formatUpid(upid: Upid): string {
  return `UPID:${upid.node}:${hex(upid.pid)}:${hex(upid.pstart)}:${hex(upid.starttime)}:${upid.type}:${upid.id}:${upid.authid}:`
}
