/** /nodes/{node}/network: interfaces, their changes, and the reload that makes changes active. */

import { parameterError } from '../core/errors.mts'
import { cidr, configId, ipv4, ipv6, matching } from '../core/formats.mts'
import { flag, listOf, nodeName, optional, splitList, text } from '../core/parameters.mts'
import { allOf, anyone, type Caller, hasAny } from '../core/permission.mts'
import type { Properties, Property } from '../core/property.mts'
import type { Pve } from '../core/pve.mts'
import { Answer, type ApiObject, type Route, route } from '../core/route.mts'
import type { NetworkInterface } from '../core/state.mts'
import { ifaceFormat } from '../firewall/formats.mts'
import { vnetsOn } from '../sdn/routes.mts'
import { zoneOfBridge } from '../sdn/vnets.mts'
import { optionsFrom } from '../sections/section-file.mts'
import {
  addInterface,
  changeInterface,
  changesOf,
  interfacesOf,
  reloadInterfaces,
  removeInterface,
  requireInterface,
  revertInterfaces,
} from './network.mts'

const path = '/nodes/{node}/network'
const node = { node: nodeName }
const mayModify = allOf('/nodes/{node}', 'Sys.Modify')
const ifaceName: Property = { type: 'string', format: ifaceFormat, minLength: 2, maxLength: 20 }

const TYPES = [
  ...[
    'bridge',
    'bond',
    'eth',
    'alias',
    'vlan',
    'fabric',
    'OVSBridge',
    'OVSBond',
    'OVSPort',
    'OVSIntPort',
    'vnet',
  ],
]

const word = (...words: string[]): Property => ({ type: 'string', enum: words, optional: true })
const number = (minimum: number, maximum: number): Property => ({
  type: 'integer',
  minimum,
  maximum,
  optional: true,
})
const list = (
  format: NonNullable<Property['format']> & ((value: string) => string | undefined),
): Property => ({
  type: 'string',
  format: listOf(format),
  optional: true,
})
const optionalIface: Property = { type: 'string', format: ifaceFormat, optional: true }
const vlanOrRange = matching(/^\d+(-\d+)?$/, value => `invalid VLAN configuration '${value}'`)
const netmask = matching(
  /^\d{1,2}$|^(\d{1,3}\.){3}\d{1,3}$/,
  'value does not look like a valid IPv4 subnet mask',
)

const settings: Properties = {
  type: { type: 'string', enum: [...TYPES, 'unknown'] },
  autostart: optional(flag),
  comments: optional(text),
  comments6: optional(text),
  address: { type: 'string', format: ipv4, requires: 'netmask', optional: true },
  netmask: { type: 'string', format: netmask, requires: 'address', optional: true },
  cidr: { type: 'string', format: cidr, optional: true },
  gateway: { type: 'string', format: ipv4, optional: true },
  address6: { type: 'string', format: ipv6, requires: 'netmask6', optional: true },
  netmask6: { ...number(0, 128), requires: 'address6' },
  cidr6: { type: 'string', format: cidr, optional: true },
  gateway6: { type: 'string', format: ipv6, optional: true },
  mtu: number(1280, 65_520),
  bridge_ports: list(ifaceFormat),
  bridge_vids: list(vlanOrRange),
  bridge_vlan_aware: optional(flag),
  slaves: list(ifaceFormat),
  bond_mode: word(
    ...['balance-rr', 'active-backup', 'balance-xor', 'broadcast', '802.3ad', 'balance-tlb', 'balance-alb'],
    ...['balance-slb', 'lacp-balance-slb', 'lacp-balance-tcp'],
  ),
  'bond-primary': optionalIface,
  bond_xmit_hash_policy: word('layer2', 'layer2+3', 'layer3+4'),
  'vlan-id': number(1, 4094),
  'vlan-raw-device': optionalIface,
}

/** A privilege on one VLAN of the bridge is enough to see it (`check_sdn_bridge` in PVE/RPCEnvironment.pm). */
function mayUseBridge(pve: Pve, caller: Caller, name: string): boolean {
  const bridge = `/sdn/zones/${zoneOfBridge(pve, name)}/${name}`
  const vlans = caller.access.acl.map(entry => entry.path).filter(each => each.startsWith(`${bridge}/`))
  return [bridge, ...vlans].some(each => hasAny(caller, each, 'SDN.Audit', 'SDN.Use'))
}

function isBridge({ type }: ApiObject): boolean {
  return type === 'bridge' || type === 'OVSBridge' || type === 'vnet'
}

function fits(iface: ApiObject, type: string | undefined): boolean {
  if (type === undefined || type === 'include_sdn') return true
  const isLocalBridge = iface['type'] === 'bridge' || iface['type'] === 'OVSBridge'
  return iface['type'] === type || (isLocalBridge && /^any(_local)?_bridge$/.test(type))
}

function listed(pve: Pve, caller: Caller, type: string | undefined): ApiObject[] {
  const own = Object.entries(interfacesOf(pve)).map(([iface, values]) => ({ iface, ...values }))
  const withVnets = /^(any_bridge|include_sdn|vnet)$/.test(type ?? '')
  return [...own.filter(iface => fits(iface, type)), ...(withVnets ? vnetsOn(pve, pve.node) : [])].filter(
    iface => !isBridge(iface) || mayUseBridge(pve, caller, String(iface['iface'])),
  )
}

/** Returns the settings of a request. A list without members is refused. */
function settingsOf(params: Record<string, unknown>): NetworkInterface {
  const given = optionsFrom(params, ['node', 'iface']) as NetworkInterface
  const vids = given['bridge_vids']
  if (vids !== undefined && vids !== '' && splitList(String(vids)).length === 0)
    throw parameterError({ bridge_vids: 'VLAN list items are empty' })
  return { type: String(params['type']), ...given }
}

export const networkRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: {
      ...node,
      type: optional({ type: 'string', enum: [...TYPES, 'any_bridge', 'any_local_bridge', 'include_sdn'] }),
    },
    handle({ pve, caller, params }) {
      const changes = changesOf(pve)
      return new Answer(listed(pve, caller, params.type), changes === undefined ? {} : { changes })
    },
  }),
  route({
    method: 'POST',
    path,
    permission: mayModify,
    parameters: { ...settings, ...node, iface: ifaceName },
    handle: ({ pve, params }) => addInterface(pve, String(params.iface), settingsOf(params)),
  }),
  route({
    method: 'DELETE',
    path,
    permission: mayModify,
    parameters: node,
    handle: ({ pve }) => revertInterfaces(pve),
  }),
  route({
    method: 'PUT',
    path,
    permission: mayModify,
    parameters: { ...node, 'regenerate-frr': optional(flag) },
    handle: ({ pve, caller }) =>
      pve.tasks.start({
        type: 'srvreload',
        id: 'networking',
        authid: caller.authid,
        work: async () => reloadInterfaces(pve),
      }),
  }),
  route({
    method: 'GET',
    path: `${path}/{iface}`,
    permission: allOf('/nodes/{node}', 'Sys.Audit'),
    parameters: { ...node, iface: ifaceName },
    handle: ({ pve, params }) => requireInterface(pve, String(params.iface)),
  }),
  route({
    method: 'PUT',
    path: `${path}/{iface}`,
    permission: mayModify,
    parameters: {
      ...settings,
      ...node,
      iface: ifaceName,
      delete: { type: 'string', format: listOf(configId), optional: true },
    },
    handle: ({ pve, params }) =>
      changeInterface(
        pve,
        String(params.iface),
        settingsOf(params),
        splitList(params.delete as string | undefined),
      ),
  }),
  route({
    method: 'DELETE',
    path: `${path}/{iface}`,
    permission: mayModify,
    parameters: { ...node, iface: ifaceName },
    handle: ({ pve, params }) => removeInterface(pve, String(params.iface)),
  }),
]
