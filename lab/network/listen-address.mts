import { BlockList, isIPv6 } from 'node:net'
import { LabUsageError } from '../core/lab-error.mts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  return host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/**
 * A lab is a Proxmox VE whose root password stands in a file and whose guests share this machine's kernel, so it is
 * only reached from this machine unless its owner says otherwise.
 * @throws {LabUsageError} for an address that others may reach.
 */
export function requireLocal({ host, port }: { host: string; port: number }, isPublic: boolean): void {
  if (isPublic || isLoopback(host)) return
  throw new LabUsageError(
    `the lab does not listen on ${host}:${port}: other machines may reach it there, and who gets in is root on its guests`,
    `listen on 127.0.0.1:${port}, or add --public where everybody on that network may have it`,
  )
}
