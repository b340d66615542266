/** Translation of templates for Packer 1.6.x, the version that Debian and Ubuntu package. */

import { type AttributeNode, attributesWithin, type HclNode, locateNodes } from './hcl-source.mts'

/**
 * Attributes that Packer 1.6.x does not know and does not need, with the reason. Other unknown attributes stay in the
 * template, so that the build fails: without them it would make a different VM.
 */
const DROPPED_ATTRIBUTES: Record<string, string> = {
  token: 'logs in with PROXMOX_PASSWORD instead',
  task_timeout: 'waits for tasks as long as it always does',
  tags: 'proxmint sets them after the build',
  cloud_init_disk_type: 'always uses ide',
  cloud_init_disable_upgrade_packages: 'leaves ciupgrade as the base VM has it',
  asyncio: 'leaves the default',
  exclude_from_backup: 'backs every disk up',
}

/**
 * Attributes that are dropped from clones. Packer 1.6.x does not remove the base VM's cloud-init drive before it adds
 * another one. Proxmox refuses the second drive, and with it the description. The cloned drive works as well.
 */
const DROPPED_FROM_CLONES: Record<string, string> = {
  cloud_init: "keeps the base VM's cloud-init drive",
  cloud_init_storage_pool: "keeps the base VM's cloud-init drive",
}

/** An attribute is dropped only with this value, which is the default. */
const DROPPABLE_VALUES: Record<string, RegExp> = {
  cloud_init_disk_type: /^"ide"$/,
  cloud_init_disable_upgrade_packages: /^false$/,
  asyncio: /^"io_uring"$/,
  exclude_from_backup: /^false$/,
  // `false` means that the VM must not have the drive.
  cloud_init: /^true$/,
}

interface TranslatedText {
  text: string
  /** One phrase per change, for the output of the build. */
  changes: string[]
}

interface Edit {
  start: number
  end: number
  change: string
}

/**
 * Translates one template file: removes `required_plugins` and the attributes above. All other text stays unchanged.
 * @throws ProxmintError (invalid) If the text is not HCL, or JSON in a `*.pkr.json`.
 */
export function translateForPackaged(text: string, file: string): TranslatedText {
  if (file.endsWith('.json')) return translateJson(text)
  const edits = locateNodes(text, file).flatMap(editsOf)
  const changes = [...new Set(edits.map(edit => edit.change))]
  return { text: edits.toReversed().reduce(cut, text), changes }
}

const PLUGINS_DROPPED = 'dropped required_plugins (its builder is built in)'

/** Translates a template in JSON. Its values are those of HCL, as texts. */
function translateJson(text: string): TranslatedText {
  const changes = new Set<string>()
  const drop = (value: unknown, reasons: Record<string, string>): unknown => {
    if (Array.isArray(value)) return value.map(item => drop(item, reasons))
    if (typeof value !== 'object' || value === null) return value
    const kept = Object.entries(value).filter(([name, inner]) => {
      const isDropped = name in reasons && mayDrop({ name, value: JSON.stringify(inner) })
      if (isDropped) changes.add(`dropped ${name} (${reasons[name]})`)
      return !isDropped
    })
    return Object.fromEntries(kept.map(([name, inner]) => [name, drop(inner, reasons)]))
  }
  const { packer, source, ...rest } = JSON.parse(text) as Record<string, Record<string, unknown> | undefined>
  const plugins = packer?.['required_plugins']
  if (plugins !== undefined) changes.add(PLUGINS_DROPPED)
  const sources = Object.entries(source ?? {}).map(([type, value]) => [type, drop(value, reasonsOf(type))])
  const translated = {
    ...(packer && { packer: { ...packer, required_plugins: undefined } }),
    ...(source && { source: Object.fromEntries(sources) as unknown }),
    ...rest,
  }
  return { text: `${JSON.stringify(translated, null, 2)}\n`, changes: [...changes] }
}

/** Attributes to drop from a source of a type, with the reasons. */
function reasonsOf(type: string): Record<string, string> {
  if (!type.startsWith('proxmox-')) return {}
  return type === 'proxmox-clone' ? { ...DROPPED_ATTRIBUTES, ...DROPPED_FROM_CLONES } : DROPPED_ATTRIBUTES
}

function editsOf(node: HclNode): Edit[] {
  if (node.kind === 'attribute') return []
  if (node.type === 'packer') {
    const plugins = node.body.filter(child => child.kind === 'block' && child.type === 'required_plugins')
    return plugins.map(({ start, end }) => ({
      start,
      end,
      change: PLUGINS_DROPPED,
    }))
  }
  if (node.type !== 'source') return []
  const reasons = reasonsOf(node.labels[0] ?? '')
  return attributesWithin(node)
    .filter(attribute => attribute.name in reasons && mayDrop(attribute))
    .map(({ name, start, end }) => ({ start, end, change: `dropped ${name} (${reasons[name]})` }))
}

function mayDrop({ name, value }: Pick<AttributeNode, 'name' | 'value'>): boolean {
  return DROPPABLE_VALUES[name]?.test(value) ?? true
}

/** Removes the node, and its line if the line then is empty. */
function cut(text: string, { start, end }: Edit): string {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = end + text.slice(end).search(/\n|$/)
  const alone = text.slice(lineStart, start).trim() === '' && text.slice(end, lineEnd).trim() === ''
  return alone ? text.slice(0, lineStart) + text.slice(lineEnd + 1) : text.slice(0, start) + text.slice(end)
}
