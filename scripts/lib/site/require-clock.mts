import { measureSkew, measureSkewOfNode } from '../proxmox/clock.mts'
import { ProxmintError } from '../run/errors.mts'
import type { Connection } from './connect.mts'

/** The clocks of a cluster and its clients differ by seconds; more than this is a clock that is wrong. */
const TOLERABLE_SKEW_MS = 5 * 60_000

type Asked = Pick<Connection, 'client' | 'credentials'>

/**
 * Opens a clock for what depends on the expiry of VMs: Proxmox's, which goes on although this machine's is set anew.
 * @throws ProxmintError if the two clocks differ by more than 5 minutes, or Proxmox's cannot be read.
 */
export async function requireClock(connection: Asked): Promise<() => Date> {
  const clock = await proxmoxClock(connection)
  if (clock === undefined) throw hidden(connection.credentials.node)
  return clock
}

/**
 * Opens a clock for the expiry of a new VM: Proxmox's, or this machine's if Proxmox's cannot be read.
 * @throws ProxmintError if the two clocks differ by more than 5 minutes.
 */
export async function clockForNew(connection: Asked): Promise<() => Date> {
  return (await proxmoxClock(connection)) ?? (() => new Date())
}

async function proxmoxClock({ client, credentials }: Asked): Promise<(() => Date) | undefined> {
  const skew = (await measureSkew(client)) ?? (await measureSkewOfNode(client, credentials.node))
  if (skew === undefined) return undefined
  const ours = Date.now()
  if (Math.abs(skew) > TOLERABLE_SKEW_MS) throw differing(ours, skew)
  const since = performance.now()
  return () => new Date(ours + skew + performance.now() - since)
}

function differing(ours: number, skew: number): ProxmintError {
  return new ProxmintError("Proxmox's clock and that of this machine differ by more than 5 minutes", {
    facts: {
      Proxmox: new Date(ours + skew).toISOString(),
      'this machine': new Date(ours).toISOString(),
    },
    hint: 'nothing was changed; on the machine whose clock is wrong: timedatectl set-ntp true',
  })
}

function hidden(node: string): ProxmintError {
  return new ProxmintError("Proxmox's clock cannot be read, so nobody can tell which VMs have expired", {
    hint:
      'nothing was changed; a proxy removes the header `Date` from the answers: let it pass, or give the API token ' +
      `Sys.Audit on /nodes/${node}`,
  })
}
