/** SSH host keys of the nodes, pinned in the credentials. */
import type { Fault } from './source.mts'

const KEY = '(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]+={0,2}'
/** A key alone, or with the address of its node before it. The comment that `ssh-keygen` writes behind it may stay. */
const LINE = new RegExp(`^(?:(\\S+) )?(${KEY})(?: .*)?$`)

/** Checks the form of the pinned keys: one per line, `[ADDRESS] TYPE KEY`. */
export function hostKeyFaults(name: string, value: string | undefined): Fault[] {
  if (value === undefined || linesOf(value).every(line => LINE.test(line))) return []
  const what = 'holds a line that is not an SSH host key'
  const fix =
    'one line per node, as in /etc/ssh/ssh_host_ed25519_key.pub there: ssh-ed25519 AAAA...; with several nodes put the address before it'
  return [{ name, what, fix }]
}

/** Content of a `known_hosts` file with the pinned keys alone. A key without an address is good for every node. */
export function knownHosts(value: string): string {
  const lines = linesOf(value).map(line => {
    const [, address = '*', key] = LINE.exec(line)!
    return `${address} ${key}\n`
  })
  return lines.join('')
}

function linesOf(value: string): string[] {
  return value
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
}
