/** /cluster/acme/plugins: how a real Proxmox would prove to a certificate authority that a name is its own. */

import { directory } from '../core/directory.mts'
import { configId, nodeFormat } from '../core/formats.mts'
import { listOf } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject, Route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { digestOf, OPTIONAL, REQUIRED, type SectionFile, sectionsOf } from '../sections/section-file.mts'
import { sectionRoutes } from '../sections/section-routes.mts'

const type = { type: 'string', enum: ['dns', 'standalone'] } as const

const PLUGINS: SectionFile = {
  name: 'priv/acme/plugins.cfg',
  properties: {
    type,
    id: { type: 'string', format: configId },
    disable: { type: 'boolean', optional: true },
    nodes: { type: 'string', format: listOf(nodeFormat), optional: true },
    api: { type: 'string', pattern: /^[a-z0-9_]+$/, optional: true },
    data: { type: 'string', optional: true },
    'validation-delay': { type: 'integer', minimum: 0, maximum: 172_800, optional: true },
  },
  types: {
    dns: {
      api: REQUIRED,
      data: OPTIONAL,
      nodes: OPTIONAL,
      disable: OPTIONAL,
      'validation-delay': OPTIONAL,
    },
    standalone: { nodes: OPTIONAL, disable: OPTIONAL },
  },
}

/** Adds the plugin that is always there. */
function withStandalone(pve: Pve): void {
  sectionsOf(pve, PLUGINS)['standalone'] ??= { type: 'standalone' }
}

/** Clients send the variables of a DNS provider in base64, and read them as text. */
function shown(pve: Pve, plugin: string, { data, ...section }: Section): ApiObject {
  return {
    ...section,
    plugin,
    ...(data !== undefined && { data: Buffer.from(String(data), 'base64').toString() }),
    digest: digestOf(pve, PLUGINS),
  }
}

const mayModify = allOf('/', 'Sys.Modify')

const pluginRoutes = sectionRoutes({
  file: PLUGINS,
  path: '/cluster/acme/plugins',
  words: {
    exists: id => `ACME plugin ID '${id}' already exists`,
    missing: id => `ACME plugin '${id}' not defined`,
    unchangeable: id => `ACME plugin ID '${id}' does not exist`,
  },
  permissions: {
    list: mayModify,
    create: mayModify,
    read: mayModify,
    update: mayModify,
    remove: mayModify,
  },
  listParameters: { type: { ...type, optional: true } },
  isVisible: ({ params }, _, section) => params['type'] === undefined || params['type'] === section['type'],
  entry: ({ pve }, id, section) => shown(pve, id, section),
  show: ({ pve }, id, section) => shown(pve, id, section),
})

export const acmeRoutes: Route[] = [
  directory('/cluster/acme', ['account', 'tos', 'meta', 'directories', 'plugins', 'challenge-schema']),
  ...pluginRoutes.map(route => ({
    ...route,
    handle(call: never) {
      withStandalone((call as { pve: Pve }).pve)
      return route.handle(call)
    },
  })),
]
