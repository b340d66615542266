/** Waits until Packer finds a base VM by its name. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { findVmsLikePacker } from '../proxmox/list-vms.mts'
import { propertiesOf } from '../proxmox/property-string.mts'
import type { VmRef } from '../proxmox/vm-ref.mts'
import { interrupted, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'

/**
 * Requests at the same time: each may be answered by another API worker of Proxmox, which has a list of its own. They cannot
 * show that all workers agree: six answers miss one of three workers in 9 % of all cases. Time can.
 */
const ASKED_AT_ONCE = 6
const PAUSE_MS = 500
/**
 * Rounds of requests that must agree in a row. The first right answer shows that the broadcast of the VM has arrived. The
 * file system of the cluster hands out a copy that is up to 2 s old, and a worker keeps that for 2 s: 4 s later no worker
 * has an older list.
 */
const AGREEING_ROUNDS = 1 + 4500 / PAUSE_MS
/**
 * Age from which a VM is in every list: a node sends every 10 s, copies are up to 4 s old, and the clock is that of
 * another machine. Nothing is waited for then. A VM that somebody cloned has the age of what it was cloned from.
 */
const KNOWN_EVERYWHERE_MS = 20_000
const LIMIT_MS = 30_000

interface Waiting {
  signal: AbortSignal
  /** Tests wait without time going by. */
  wait?: (ms: number) => Promise<unknown>
  limitMs?: number
}

/**
 * Waits until every API worker has the base VM under its name in `/cluster/resources`, and no other VM of the node.
 * Packer looks it up there. That list is up to 10 s behind, and shows the name of a deleted VM where its VMID is used again.
 * @throws ProxmintError after 30 s, or if it is interrupted.
 */
export async function requireListed(
  client: ProxmoxClient,
  base: VmRef & { name: string },
  {
    signal,
    wait = ms => sleep(ms, undefined, { signal }).catch(() => undefined),
    limitMs = LIMIT_MS,
  }: Waiting,
): Promise<void> {
  const ageMs = await ageOf(client, base)
  if ((await isListed(client, base)) && ageMs >= KNOWN_EVERYWHERE_MS) return
  await withProgress(`wait until Proxmox lists ${base.name} in the whole cluster`, async () => {
    const deadline = Date.now() + limitMs
    for (let agreeing = 0; agreeing < AGREEING_ROUNDS; ) {
      await wait(PAUSE_MS)
      if (signal.aborted) throw interrupted('the wait for the list of VMs')
      agreeing = (await isListed(client, base)) ? agreeing + 1 : 0
      if (agreeing === 0 && Date.now() > deadline) throw notListed(base, limitMs)
    }
  })
}

/** Time since the base VM was made, in milliseconds; infinite where Proxmox does not say. */
async function ageOf(client: ProxmoxClient, base: VmRef): Promise<number> {
  const { meta } = await getVmConfig(client, base)
  const made = propertiesOf(String(meta ?? ''), '').get('ctime')
  const now = (await client.time())?.getTime() ?? Date.now()
  return made === undefined ? Number.POSITIVE_INFINITY : now - Number(made) * 1000
}

async function isListed(
  client: ProxmoxClient,
  { name, node, vmid }: VmRef & { name: string },
): Promise<boolean> {
  const asks = Array.from({ length: ASKED_AT_ONCE }, () => findVmsLikePacker(client, name))
  const answers = await Promise.all(asks)
  return answers.every(vms => {
    const here = vms.filter(vm => vm.node === node)
    return here.length === 1 && here[0]!.vmid === vmid
  })
}

function notListed({ name, node, vmid }: VmRef & { name: string }, limitMs: number): ProxmintError {
  return new ProxmintError(
    `VM ${vmid} on ${node} is ${name}, but Proxmox's list of all VMs did not say so within ${limitMs / 1000} s`,
    {
      hint: `Packer looks its base VM up in that list, which pvestatd of ${node} fills: on the node, systemctl status pvestatd; then try again`,
    },
  )
}
