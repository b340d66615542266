/** /cluster/metrics: servers that get figures from a real Proxmox. The lab keeps their settings, and sends nothing. */

import { directory } from '../core/directory.mts'
import { address, configId } from '../core/formats.mts'
import { allOf } from '../core/permission.mts'
import type { Properties, Property } from '../core/property.mts'
import type { Route } from '../core/route.mts'
import { digestOf, OPTIONAL, REQUIRED, type SectionFile } from '../sections/section-file.mts'
import { sectionRoutes } from '../sections/section-routes.mts'

const text: Property = { type: 'string', optional: true }
const flag: Property = { type: 'boolean', optional: true }
const word = (...words: string[]): Property => ({ ...text, enum: words })
const number = (minimum: number, maximum?: number): Property => ({
  type: 'integer',
  minimum,
  ...(maximum !== undefined && { maximum }),
  optional: true,
})

const properties: Properties = {
  id: { type: 'string', format: configId },
  type: { type: 'string', enum: ['graphite', 'influxdb', 'opentelemetry'] },
  server: { type: 'string', format: address },
  port: { type: 'integer', minimum: 1, maximum: 65_536 },
  disable: flag,
  mtu: number(512, 65_536),
  path: text,
  proto: word('udp', 'tcp'),
  timeout: number(0),
  influxdbproto: word('udp', 'http', 'https'),
  organization: text,
  bucket: text,
  token: text,
  'max-body-size': number(1),
  'api-path-prefix': text,
  'verify-certificate': flag,
  'otel-protocol': word('http', 'https'),
  'otel-path': text,
  'otel-timeout': number(1, 10),
  'otel-headers': { ...text, maxLength: 1024 },
  'otel-verify-ssl': flag,
  'otel-max-body-size': number(1024),
  'otel-resource-attributes': { ...text, maxLength: 1024 },
  'otel-compression': word('none', 'gzip'),
}

const optionals = (...keys: string[]): Record<string, typeof OPTIONAL> =>
  Object.fromEntries(keys.map(key => [key, OPTIONAL]))

const SERVERS: SectionFile = {
  name: 'status.cfg',
  properties,
  types: {
    graphite: { server: REQUIRED, ...optionals('port', 'mtu', 'proto', 'timeout', 'path', 'disable') },
    influxdb: {
      server: REQUIRED,
      port: REQUIRED,
      ...optionals('mtu', 'disable', 'organization', 'bucket', 'token', 'influxdbproto', 'timeout'),
      ...optionals('max-body-size', 'api-path-prefix', 'verify-certificate'),
    },
    opentelemetry: {
      server: REQUIRED,
      ...optionals('port', 'disable'),
      ...optionals(...Object.keys(properties).filter(key => key.startsWith('otel-'))),
    },
  },
}

export const metricsRoutes: Route[] = [
  directory('/cluster/metrics', ['server', 'export']),
  ...sectionRoutes({
    file: SERVERS,
    path: '/cluster/metrics/server',
    createsAtId: true,
    words: {
      exists: id => `Metric server '${id}' already exists`,
      missing: id => `status server entry '${id}' does not exist`,
      unchangeable: id => `no such server '${id}'`,
    },
    permissions: {
      list: allOf('/', 'Sys.Audit'),
      create: allOf('/', 'Sys.Modify'),
      read: allOf('/', 'Sys.Audit'),
      update: allOf('/', 'Sys.Modify'),
      remove: allOf('/', 'Sys.Modify'),
    },
    entry: (_, id, { type, server, port, disable = 0 }) => ({ id, type, server, port, disable }),
    // A token is a secret: Proxmox keeps it apart, and shows it to nobody.
    show: ({ pve }, id, { token: _, ...section }) => ({ ...section, id, digest: digestOf(pve, SERVERS) }),
  }),
]
