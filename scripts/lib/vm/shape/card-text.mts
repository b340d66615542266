/** The text of a network card in a config: `virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20`. Pure. */
import { propertiesOf } from '../../proxmox/property-string.mts'

/** Values of a card as Proxmox writes them; undefined: it has none. */
export interface CardText {
  model: string
  mac: string | undefined
  /** All other properties. */
  found: ReadonlyMap<string, string>
}

/** Reads a card. Model and MAC address stand together, or apart as `model` and `macaddr`. */
export function readCard(text: string): CardText {
  const found = propertiesOf(text, 'model')
  const pair = [...found].find(([key]) => !OTHER_KEYS.has(key))
  return {
    model: pair?.[0] ?? found.get('model') ?? 'virtio',
    mac: pair?.[1] ?? found.get('macaddr'),
    found,
  }
}

const OTHER_KEYS = new Set([
  ...['bridge', 'firewall', 'host-tunnel', 'link_down', 'macaddr', 'model', 'mtu', 'queues', 'rate', 'tag'],
  'trunks',
])

/** Returns the card with another model and MAC address, in front; the rest keeps its text and its order. */
export function withModel(text: string, model: string, mac: string | undefined): string {
  const rest = text
    .split(',')
    .filter(part => part !== '' && isOther(part))
    .join(',')
  const front = mac === undefined ? model : `${model}=${mac}`
  return rest === '' ? front : `${front},${rest}`
}

function isOther(part: string): boolean {
  const key = part.slice(0, part.indexOf('='))
  return part.includes('=') && OTHER_KEYS.has(key) && key !== 'model' && key !== 'macaddr'
}
