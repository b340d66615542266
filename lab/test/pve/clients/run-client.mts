import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { PveServer } from '../../../pve/server.mts'

/** A driver beside this file. */
export const driver = (name: string): string => new URL(name, import.meta.url).pathname

/**
 * Runs a client and answers what it prints. What it logs in with goes through stdin, never through its arguments.
 * @throws when it does not end with 0.
 */
export async function runClient(
  server: PveServer,
  file: string,
  args: string[],
  input: string,
): Promise<string> {
  const env = {
    ...process.env,
    LAB_PORT: String(server.port),
    LAB_CA: server.caFile,
    NODE_EXTRA_CA_CERTS: server.caFile,
  }
  const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(input)
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('close', resolve).on('error', reject),
  )
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${err}${out}`)
  return out
}
