import { type AttributeNode, type BlockNode, type HclNode, locateNodes } from './hcl-source.mts'

/**
 * What Packer 1.6.x, which Debian and Ubuntu package, does not know and can do without, with the reason.
 * Anything else it does not know stays in the template, so that it still fails: leaving it out would build
 * another VM than the one that was asked for.
 */
const droppedAttributes: Record<string, string> = {
  token: 'logs in with PROXMOX_PASSWORD instead',
  task_timeout: 'waits for tasks as long as it always does',
  tags: 'proxmint sets them after the build',
  cloud_init_disk_type: 'always uses ide',
  cloud_init_disable_upgrade_packages: 'leaves ciupgrade as the base VM has it',
  asyncio: 'leaves the default',
  exclude_from_backup: 'backs every disk up',
}

/**
 * 1.6.x takes no cloud-init drive off before it adds the template's own; Proxmox refuses the second one, and
 * with it the description. The drive that came with the clone is as good.
 */
const droppedFromClones: Record<string, string> = {
  cloud_init: "keeps the base VM's cloud-init drive",
  cloud_init_storage_pool: "keeps the base VM's cloud-init drive",
}

/** Nothing that is dropped may change what a value other than the default meant. */
const droppableValues: Record<string, RegExp> = {
  cloud_init_disk_type: /^"ide"$/,
  cloud_init_disable_upgrade_packages: /^false$/,
  asyncio: /^"io_uring"$/,
  exclude_from_backup: /^false$/,
  // Set to false, it is a drive that must not be there.
  cloud_init: /^true$/,
}

interface TranslatedText {
  text: string
  /** One phrase per change, for the line that says what was done. */
  changes: string[]
}

interface Edit {
  start: number
  end: number
  change: string
}

/**
 * The text of one template file as Packer 1.6.x takes it: without `required_plugins` and without the
 * attributes above. Everything else stays letter for letter.
 * @throws ProxmintError (invalid) where the text has no HCL structure.
 */
export function translateForPackaged(text: string, file: string): TranslatedText {
  const edits = locateNodes(text, file).flatMap(editsOf)
  const changes = [...new Set(edits.map(edit => edit.change))]
  return { text: edits.toReversed().reduce(cut, text), changes }
}

function editsOf(node: HclNode): Edit[] {
  if (node.kind === 'attribute') return []
  if (node.type === 'packer') {
    const plugins = node.body.filter(child => child.kind === 'block' && child.type === 'required_plugins')
    return plugins.map(({ start, end }) => ({
      start,
      end,
      change: 'dropped required_plugins (its builder is built in)',
    }))
  }
  if (node.type !== 'source' || !node.labels[0]?.startsWith('proxmox-')) return []
  const reasons =
    node.labels[0] === 'proxmox-clone' ? { ...droppedAttributes, ...droppedFromClones } : droppedAttributes
  return attributesWithin(node)
    .filter(attribute => attribute.name in reasons && mayDrop(attribute))
    .map(({ name, start, end }) => ({ start, end, change: `dropped ${name} (${reasons[name]})` }))
}

function attributesWithin(block: BlockNode): AttributeNode[] {
  return block.body.flatMap(node => (node.kind === 'attribute' ? [node] : attributesWithin(node)))
}

function mayDrop({ name, value }: AttributeNode): boolean {
  return droppableValues[name]?.test(value) ?? true
}

/** Takes the node away, and its line where nothing else stands on it. */
function cut(text: string, { start, end }: Edit): string {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = end + text.slice(end).search(/\n|$/)
  const alone = text.slice(lineStart, start).trim() === '' && text.slice(end, lineEnd).trim() === ''
  return alone ? text.slice(0, lineStart) + text.slice(lineEnd + 1) : text.slice(0, start) + text.slice(end)
}
