/** SSH host keys of a node: those that it shows, and a file of those that the credentials pin. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { knownHosts } from '../credentials/host-key.mts'
import { runCommand } from '../run/exec.mts'

const SCAN_SECONDS = 5

/** Lists the keys that the node shows, `TYPE KEY`, Ed25519 first. Empty if it shows none. */
export async function shownHostKeys(host: string): Promise<string[]> {
  const args = ['-T', String(SCAN_SECONDS), '-t', 'ed25519,ecdsa,rsa', host]
  const { stdout } = await runCommand({ file: 'ssh-keyscan', args }, { timeoutMs: 2000 * SCAN_SECONDS })
  const keys = stdout.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return keys.map(line => line.split(' ').slice(1, 3).join(' ')).sort(byStrength)
}

function byStrength(a: string, b: string): number {
  const rank = (key: string): number => ['ssh-ed25519', 'ecdsa'].findIndex(type => key.startsWith(type))
  return ((rank(a) + 3) % 3) - ((rank(b) + 3) % 3)
}

/** Known hosts for one login. */
interface KnownHostsFile extends AsyncDisposable {
  /** Undefined if no key is pinned. */
  path: string | undefined
}

/** Writes the pinned keys to a temporary file. */
export async function openKnownHosts(pinned: string | undefined): Promise<KnownHostsFile> {
  if (pinned === undefined) return { path: undefined, [Symbol.asyncDispose]: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-known-hosts-'))
  const path = join(folder, 'known_hosts')
  await writeFile(path, knownHosts(pinned), { mode: 0o600 })
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
