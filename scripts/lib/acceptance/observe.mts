/** Observes a clone: guest agent, power, login, and one inspection by SSH. */

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { getGuestAddresses } from '../proxmox/get-guest-addresses.mts'
import { getVmStatus } from '../proxmox/get-vm-status.mts'
import { cloudInitSlotOf, macOf } from '../proxmox/vm-devices.mts'
import { interrupted } from '../run/errors.mts'
import { runCommand } from '../run/exec.mts'
import { reachableAddresses } from './addresses.mts'
import { type CloneRole, DEFAULT_USER, type StartedClone, type Testing } from './clone.mts'
import type { CloneEvidence } from './evidence.mts'
import { parseInspection } from './inspection.mts'
import { NO_LOGIN, sshCommand, sshServerOf } from './ssh.mts'

const POLL_MS = 500
/** Wait for a guest without agent. A guest that cannot boot powers off or panics sooner. */
const SILENT_MS = 20_000
/** Shortest time limit of the inspection, if less time is left to boot. */
const SHORTEST_LOOK_MS = 30_000

/** Waits for a started clone and observes it. A fault in the guest is evidence, not an error. */
export async function observeClone(
  testing: Testing,
  role: CloneRole,
  clone: StartedClone,
): Promise<CloneEvidence> {
  const { agent, login } = testing.target.family.acceptance
  const { testBootTimeoutSeconds, testAddress } = testing.connection.config
  const deadline = performance.now() + testBootTimeoutSeconds * 1000
  const { vmid, name } = clone
  const evidence: CloneEvidence = {
    vmid,
    name,
    down: undefined,
    agent: undefined,
    addresses: [],
    wantedAddress: role === 'grown' && login === 'ssh' ? testAddress?.split(',')[0] : undefined,
    refused: undefined,
    inside: undefined,
  }
  if (agent) Object.assign(evidence, await askAgent(testing, clone, deadline))
  else await pause(testing, SILENT_MS)
  evidence.down = await whyDown(testing, clone)
  if (login === 'none' || evidence.down !== undefined || evidence.agent === false) return evidence
  if (role === 'grown' && cloudInitSlotOf(clone.config) === undefined) {
    return { ...evidence, refused: 'the VM template has no cloud-init drive that could carry a key' }
  }
  return { ...evidence, ...(await lookInside(testing, vmid, evidence.addresses[0], deadline)) }
}

/** Asks the guest agent until it reports an address or the time is over. */
async function askAgent(
  testing: Testing,
  clone: StartedClone,
  deadline: number,
): Promise<Pick<CloneEvidence, 'agent' | 'addresses'>> {
  const mac = macOf(clone.config)
  let agent = false
  while (performance.now() < deadline) {
    const interfaces = await getGuestAddresses(testing.connection.client, clone)
    agent ||= interfaces !== undefined
    const addresses = reachableAddresses(interfaces ?? [], mac)
    if (addresses.length > 0) return { agent, addresses }
    if ((await whyDown(testing, clone)) !== undefined) break
    await pause(testing, POLL_MS)
  }
  return { agent, addresses: [] }
}

async function whyDown({ connection }: Testing, clone: StartedClone): Promise<string | undefined> {
  const { status } = await getVmStatus(connection.client, clone)
  return status === 'running' ? undefined : 'it powered itself off'
}

async function pause({ signal }: Testing, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw interrupted('the acceptance test')
  })
}

type Look = Pick<CloneEvidence, 'inside' | 'refused'>

/** Tries to log in until the time is over, then inspects the clone in one session. */
async function lookInside(
  testing: Testing,
  vmid: number,
  address: string | undefined,
  deadline: number,
): Promise<Look> {
  if (address === undefined) return { inside: undefined, refused: 'its address is not known' }
  const { key, target, signal } = testing
  const { user, packages } = target.family.acceptance
  const script = `PACKAGES=${packages}\n${await readFile(new URL('./inspect.sh', import.meta.url), 'utf8')}`
  const plan = sshCommand(sshServerOf(vmid, address, process.env), user ?? DEFAULT_USER, key.file, script)
  for (;;) {
    const timeoutMs = Math.max(deadline - performance.now(), SHORTEST_LOOK_MS)
    const result = await runCommand(plan, { signal, timeoutMs, graceMs: 2000 })
    if (signal.aborted) throw interrupted('the acceptance test')
    const inside = parseInspection(result.stdout)
    if (inside !== undefined) return { inside, refused: undefined }
    const mayStillCome = result.code === NO_LOGIN && performance.now() < deadline
    if (!mayStillCome) return { inside: undefined, refused: refusal(result, timeoutMs) }
    await pause(testing, POLL_MS)
  }
}

function refusal(
  { timedOut, stdout, stderr, code }: { timedOut: boolean; stdout: string; stderr: string; code: number },
  timeoutMs: number,
): string {
  if (timedOut && stdout.includes('@cloud-init')) {
    return `cloud-init did not end within ${Math.round(timeoutMs / 1000)} s`
  }
  const words = stderr.trim().split('\n').at(-1)
  return words === undefined || words === '' ? `ssh ended with ${code}` : words
}
