/** Parameters of fabrics and their nodes. */

import { cidr, ipv4, ipv6, matching, nodeFormat } from '../core/formats.mts'
import type { Parameters } from '../core/parameters.mts'
import type { Property } from '../core/property.mts'
import { ifaceFormat } from '../firewall/formats.mts'
import { lockToken } from './pending.mts'

const optionalText = { type: 'string', optional: true } as const
export const fabricId: Property = {
  type: 'string',
  format: matching(
    /^[a-zA-Z0-9][a-zA-Z0-9-]{0,6}[a-zA-Z0-9]?$/,
    value => `Fabric ID '${value}' contains illegal characters`,
  ),
}
const protocol: Property = { type: 'string', enum: ['openfabric', 'ospf'] }
const seconds: Property = { type: 'number', minimum: 1, maximum: 600, optional: true }
const digest = { type: 'string', maxLength: 64, optional: true } as const
export const deletable = (...keys: string[]): Property => ({
  type: 'array',
  items: { type: 'string', enum: keys },
  optional: true,
})

export const fabricParameters = {
  id: fabricId,
  protocol,
  ip_prefix: { ...optionalText, format: cidr },
  ip6_prefix: { ...optionalText, format: cidr },
  hello_interval: seconds,
  csnp_interval: seconds,
  area: optionalText,
  digest,
  ...lockToken,
} satisfies Parameters

const nodeId: Property = { type: 'string', format: nodeFormat }
export const nodeKeys = { fabric_id: fabricId, node_id: nodeId } satisfies Parameters

export const nodeParameters = {
  ...nodeKeys,
  protocol,
  ip: { ...optionalText, format: ipv4 },
  ip6: { ...optionalText, format: ipv6 },
  interfaces: {
    type: 'array',
    items: {
      type: 'string',
      format: {
        properties: {
          name: { type: 'string', format: ifaceFormat },
          hello_multiplier: { type: 'integer', minimum: 2, maximum: 100, optional: true },
          ip: { ...optionalText, format: cidr },
          ip6: { ...optionalText, format: cidr },
        },
      },
    },
    optional: true,
  },
  digest,
  ...lockToken,
} satisfies Parameters
