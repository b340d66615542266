/** DHCP for real machines, by dnsmasq. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { LabError } from '../core/lab-error.mts'
import { addressInLab, BRIDGE, BRIDGE_ADDRESS, FIRST_LEASE, LAST_LEASE } from './lab-network.mts'

interface DhcpServer {
  close(): Promise<void>
}

const HINT = 'the lab gives real machines their addresses with dnsmasq; install the package dnsmasq-base'

/**
 * Starts dnsmasq on the lab's bridge, with the address range of simulated guests. Real machines have many DHCP
 * clients, and dnsmasq works with all of them. It does not answer DNS: nothing in the lab has a name.
 * @param folder for its file of leases. @throws {LabError} if dnsmasq does not start.
 */
export async function serveDhcp(folder: string): Promise<DhcpServer> {
  const child = spawn('dnsmasq', dnsmasqArguments(folder), { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    said += text
  })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', error => reject(new LabError(`dnsmasq could not be started: ${error.message}`, HINT)))
    child.once('close', () => reject(new LabError(`dnsmasq ended at once: ${said.trim()}`, HINT)))
  })
  // dnsmasq also closes when the lab ends; then nobody awaits this promise.
  failed.catch(() => undefined)
  const ready = new Promise<void>(resolve => {
    child.stderr.on('data', () => said.includes('DHCP, IP range') && resolve())
  })
  await Promise.race([ready, failed])
  return {
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGTERM')
      await closed
    },
  }
}

function dnsmasqArguments(folder: string): string[] {
  return [
    ...['--keep-in-foreground', '--log-facility=-', '--conf-file=/dev/null', '--pid-file', '--port=0'],
    ...['--user=root', `--interface=${BRIDGE}`, '--bind-interfaces', '--dhcp-authoritative', '--no-ping'],
    `--dhcp-range=${addressInLab(FIRST_LEASE)},${addressInLab(LAST_LEASE)},12h`,
    `--dhcp-option=option:router,${BRIDGE_ADDRESS}`,
    `--dhcp-leasefile=${join(folder, 'dhcp.leases')}`,
  ]
}
