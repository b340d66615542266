/** Keeps a lab from listening on addresses that other machines can reach. */

import { BlockList, isIPv6 } from 'node:net'
import { LabUsageError } from '../core/lab-error.mts'
import type { Address } from '../core/listen.mts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  return host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/**
 * Requires an address of loopback, unless the owner allows others. A lab's root password is in a file, and its guests
 * share this machine's kernel.
 * @throws {LabUsageError} for an address that other machines may reach.
 */
export function requireLocal({ host, port }: Address, isPublic: boolean): void {
  if (isPublic || isLoopback(host)) return
  throw new LabUsageError(
    `the lab does not listen on ${host}:${port}: other machines may reach it there, and who gets in is root on its guests`,
    `listen on 127.0.0.1:${port}, or add --public if everybody on that network may use it`,
  )
}
