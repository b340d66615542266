/** Tags of a VM. Those of others stay. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { tagsIn } from '../../proxmox/tags.mts'
import { type Edit, edited } from './edit.mts'

/**
 * Adds the tags of the design; takes away those of a former owner, and those that a `vm change` took out of the design.
 * @param tags of the design; undefined: nobody knows them.
 * @param retired taken out of the design, and maybe not out of Proxmox yet.
 */
export function tagEdits(
  tags: readonly string[] | undefined,
  config: VmConfig,
  retired: readonly string[] = [],
): Edit[] {
  if (tags === undefined) return []
  const present = tagsIn(String(config['tags'] ?? ''))
  const isGone = (tag: string): boolean => tag.startsWith('wallet-') || retired.includes(tag)
  const kept = present.filter(tag => tags.includes(tag) || !isGone(tag))
  const wanted = [...new Set([...kept, ...tags])]
  return edited('tags', [tagText(present), tagText(wanted)], null, {
    option: 'tags',
    set: { tags: wanted.join(';') },
  })
}

function tagText(tags: readonly string[]): string | undefined {
  return tags.length === 0 ? undefined : tags.toSorted().join(' ')
}
