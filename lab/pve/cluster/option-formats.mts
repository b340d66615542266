/** Options of the whole cluster, as in datacenter.cfg (PVE/DataCenterConfig.pm). */

import { cidr, matching } from '../core/formats.mts'
import type { Properties, Property, PropertyFormat } from '../core/property.mts'

const TAG = '[a-z0-9_][a-z0-9_\\-+.]*'
const COLOR = '[0-9a-fA-F]{6}'
const COLORED = `${TAG}:${COLOR}(?::${COLOR})?`

const word = (...words: string[]): Property => ({ type: 'string', enum: words, optional: true })
const text: Property = { type: 'string', optional: true }
const flag: Property = { type: 'boolean', optional: true }
const bounded = (minimum: number, maximum?: number): Property => ({
  type: 'number',
  minimum,
  ...(maximum !== undefined && { maximum }),
  optional: true,
})
const texts = (...keys: string[]): Properties => Object.fromEntries(keys.map(key => [key, text]))

const TRANSFER: Properties = {
  type: { type: 'string', enum: ['secure', 'insecure'], defaultKey: true },
  network: { type: 'string', format: cidr, optional: true },
}

const rebalanced = (property: Property): Property => ({ ...property, requires: 'ha-auto-rebalance' })

const CRS: Properties = {
  ha: word('basic', 'static', 'dynamic'),
  'ha-rebalance-on-start': flag,
  'ha-auto-rebalance': flag,
  'ha-auto-rebalance-threshold': rebalanced(bounded(0, 100)),
  'ha-auto-rebalance-method': rebalanced(word('bruteforce', 'topsis')),
  'ha-auto-rebalance-hold-duration': rebalanced(bounded(0)),
  'ha-auto-rebalance-margin': rebalanced(bounded(0, 100)),
}

const NOTIFY: Properties = {
  'package-updates': word('auto', 'always', 'never'),
  fencing: word('always', 'never'),
  replication: word('always', 'never'),
  ...texts('target-package-updates', 'target-fencing', 'target-replication'),
}

const TAG_STYLE: Properties = {
  shape: word('full', 'circle', 'dense', 'none'),
  'color-map': { ...text, pattern: new RegExp(`^${COLORED}(?:;${COLORED})*$`, 'i') },
  ordering: word('config', 'alphabetical'),
  'case-sensitive': flag,
}

const TAG_LIST = new RegExp(`^(?:${TAG};)*${TAG}$`, 'i')

const NEXT_ID_BOUND: Property = { type: 'integer', optional: true }

/** Options whose texts have parts. Proxmox reads them into objects. */
export const OPTION_PARTS: Record<string, PropertyFormat> = {
  crs: { properties: CRS },
  migration: { properties: TRANSFER },
  replication: { properties: TRANSFER },
  'next-id': { properties: { lower: NEXT_ID_BOUND, upper: NEXT_ID_BOUND } },
  ha: {
    properties: {
      shutdown_policy: { type: 'string', enum: ['freeze', 'failover', 'conditional', 'migrate'] },
    },
  },
  notify: { properties: NOTIFY },
  u2f: { properties: texts('appid', 'origin') },
  webauthn: { properties: { ...texts('rp', 'origin', 'id'), 'allow-subdomains': flag } },
  'tag-style': { properties: TAG_STYLE },
  'user-tag-access': {
    properties: {
      'user-allow': word('none', 'list', 'existing', 'free'),
      'user-allow-list': { ...text, pattern: TAG_LIST },
    },
  },
}

const BANDWIDTH: Properties = Object.fromEntries(
  ['default', 'restore', 'migration', 'clone', 'move'].map(key => [key, bounded(0)]),
)

const KEYBOARDS = [
  ...['de', 'de-ch', 'da', 'en-gb', 'en-us', 'es', 'fi', 'fr', 'fr-be', 'fr-ca', 'fr-ch', 'hu', 'is', 'it'],
  ...['ja', 'lt', 'mk', 'nl', 'no', 'pl', 'pt', 'pt-br', 'sv', 'sl', 'tr'],
]

const LANGUAGES = [
  ...['ar', 'ca', 'da', 'de', 'en', 'es', 'eu', 'fa', 'fr', 'hr', 'he', 'it', 'ja', 'ka', 'kr', 'nb', 'nl'],
  ...['nn', 'pl', 'pt_BR', 'ru', 'sl', 'sv', 'tr', 'ukr', 'zh_CN', 'zh_TW'],
]

const LONG = 64 * 1024

const emailOrNone = matching(
  /^$|^[\w+\-~]+(\.[\w+\-~]+)*@[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/,
  'value does not look like a valid email address',
)
const macPrefix = matching(
  /^[a-f0-9][02468ace](?::[a-f0-9]{2}){0,2}(?::[a-f0-9]?)?$/i,
  'value is not a valid unicast MAC address prefix',
)

export const clusterOptions: Properties = {
  ...Object.fromEntries(
    Object.entries(OPTION_PARTS).map(([key, format]) => [key, { type: 'string', format, optional: true }]),
  ),
  bwlimit: { type: 'string', format: { properties: BANDWIDTH }, optional: true },
  keyboard: word(...KEYBOARDS),
  language: word(...LANGUAGES),
  http_proxy: { ...text, pattern: /^http:\/\/.*$/ },
  migration_unsecure: flag,
  console: word('applet', 'vv', 'html5', 'xtermjs'),
  email_from: { ...text, format: emailOrNone },
  max_workers: { type: 'integer', minimum: 1, optional: true },
  fencing: word('watchdog', 'hardware', 'both'),
  mac_prefix: { ...text, format: macPrefix },
  description: { ...text, maxLength: LONG },
  'registered-tags': { ...text, pattern: TAG_LIST },
  'consent-text': { ...text, maxLength: LONG },
}
