/** What a test does with a guest that is a real machine: boot it, wait for it, look into it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../lab/core/process.mts'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { requireMachines } from '../../lab/guests/qemu/requirements.mts'
import { chooseIsolation } from '../../lab/network/isolation.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'

/** Why real machines cannot run here; undefined where they can. */
export const machinesCannotRun: string | undefined = await chooseIsolation()
  .then(requireMachines)
  .then(
    () => undefined,
    (error: Error & { hint?: string }) => `${error.message} (${error.hint})`,
  )

/** Emulated, a boot takes a minute and a half; several where the machine has other things to do. */
export const bootTimeoutMs = 15 * 60_000

export interface Keys extends AsyncDisposable {
  privateKeyFile: string
  publicKey: string
}

export async function makeKeys(): Promise<Keys> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-keys-'))
  const privateKeyFile = join(folder, 'key')
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', privateKeyFile])
  return {
    privateKeyFile,
    publicKey: (await readFile(`${privateKeyFile}.pub`, 'utf8')).trim(),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** A request of `root` that starts a task, which must succeed. */
export async function finish(root: ProxmoxClient, upid: Promise<string>): Promise<void> {
  await waitForTask(root, await upid, { timeoutMs: bootTimeoutMs })
}

/** Resolves when the guest's agent tells this IPv4 address. @throws with the end of its console where it never does. */
export async function addressTold(
  lab: Lab,
  root: ProxmoxClient,
  vmid: number,
  wanted: RegExp,
): Promise<string> {
  const deadline = Date.now() + bootTimeoutMs
  const path = `/nodes/pve/qemu/${vmid}/agent/network-get-interfaces`
  while (Date.now() < deadline) {
    const answer = await root.request<AgentInterfaces>('GET', path).catch(() => undefined)
    const address = addressesOf(answer).find(candidate => wanted.test(candidate))
    if (address !== undefined) return address
    await sleep(2000)
  }
  throw new Error(`VM ${vmid} never had an address ${wanted}: ${(await lab.console(vmid))?.slice(-2000)}`)
}

interface AgentInterfaces {
  result: { 'ip-addresses'?: { 'ip-address': string; 'ip-address-type': string }[] }[]
}

const addressesOf = (answer: AgentInterfaces | undefined) =>
  (answer?.result ?? [])
    .flatMap(one => one['ip-addresses'] ?? [])
    .filter(one => one['ip-address-type'] === 'ipv4')
    .map(one => one['ip-address'])

/** Runs a command in the guest, as soon as its SSH server answers. */
export async function inGuest(lab: Lab, keys: Keys, login: string, command: string): Promise<ExecResult> {
  const options = [
    `IdentityFile=${keys.privateKeyFile}`,
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=30',
  ].flatMap(option => ['-o', option])
  const deadline = Date.now() + bootTimeoutMs
  for (;;) {
    const result = await lab.exec(['ssh', ...options, login, command])
    // 255 is the ssh program's own: not there yet, or the key is not.
    if (result.code !== 255 || Date.now() > deadline) return result
    await sleep(2000)
  }
}
