/** The network of a lab with namespaces: a bridge, and the cables of guests. */

import { run } from '../core/process.mts'
import type { Image } from '../images/image.mts'
import { servedUrls, serveFiles } from './file-server.mts'
import { BRIDGE, BRIDGE_ADDRESS, type BridgeNetwork, PREFIX_LENGTH } from './lab-network.mts'

const HTTP_PORT = 80

/** Package source that images name. A boot can give a guest another one. */
export const PACKAGES_URL = servedUrls(BRIDGE_ADDRESS, HTTP_PORT).packagesUrl

function ip(...args: string[]): Promise<string> {
  return run('ip', args, { missing: 'the lab sets up its network with ip; install the package iproute2' })
}

/** Sets up the network of a lab with namespaces and serves files on it. */
export async function openBridge(images: Image[]): Promise<BridgeNetwork> {
  await createBridge()
  return { kind: 'bridge', ...(await serveFiles(images, { host: BRIDGE_ADDRESS, port: HTTP_PORT })) }
}

/** Sets up loopback and bridge in a new network namespace. */
async function createBridge(): Promise<void> {
  await ip('link', 'set', 'lo', 'up')
  await ip('link', 'add', BRIDGE, 'type', 'bridge', 'forward_delay', '0')
  await ip('addr', 'add', `${BRIDGE_ADDRESS}/${PREFIX_LENGTH}`, 'dev', BRIDGE)
  await ip('link', 'set', BRIDGE, 'up')
}

interface Cable {
  /** Name of the end on the bridge. */
  hostInterface: string
  guestInterface: string
  mac: string
  /** Process in the guest's network namespace. */
  pid: number
}

/** Connects a guest to the bridge. */
export async function plugCable({ hostInterface, guestInterface, mac, pid }: Cable): Promise<void> {
  const peer = ['peer', 'name', guestInterface, 'address', mac, 'netns', String(pid)]
  await ip('link', 'add', hostInterface, 'type', 'veth', ...peer)
  await ip('link', 'set', hostInterface, 'master', BRIDGE, 'up')
}

/** Makes a network device on the bridge, for the network card of a real machine. */
export async function plugTap(name: string): Promise<void> {
  await ip('tuntap', 'add', 'dev', name, 'mode', 'tap')
  await ip('link', 'set', name, 'master', BRIDGE, 'up')
}

/** Removes a cable at once. The kernel removes cables of ended namespaces only after a while. */
export async function unplugCable(hostInterface: string): Promise<void> {
  await ip('link', 'del', hostInterface).catch(error => {
    if (!/Cannot find device/.test((error as Error).message)) throw error
  })
}
