import type { Entry } from './entry.mts'

/** The description the VM carries in Proxmox. */
export function descriptionOf({ id, purpose }: Entry): string {
  return [purpose, `Made by proxmint. ${entryMark(id)}`].filter(Boolean).join('\n')
}

/** What stands in the description of the VM of one entry, and of no other. */
export function entryMark(id: string): string {
  return `Entry ${id}.`
}

/** Whether a VM in Proxmox is the one of the entry, by name and description. */
export function isVmOf(entry: Entry, config: Record<string, string | number>): boolean {
  return differencesFrom(entry, config, undefined).length === 0
}

/**
 * Why a VM in Proxmox is not the one of the entry; nothing where it is.
 * @param siteTag the tag it must carry as well.
 */
export function differencesFrom(
  { name, id }: Entry,
  config: Record<string, string | number>,
  siteTag: string | undefined,
): string[] {
  const tags = String(config['tags'] ?? '').split(/[;, ]/)
  return [
    config['name'] === name ? '' : `its name is ${config['name'] ?? 'not set'}`,
    String(config['description'] ?? '').includes(entryMark(id)) ? '' : `its notes lack "${entryMark(id)}"`,
    siteTag === undefined || tags.includes(siteTag) ? '' : `it lacks the tag ${siteTag}`,
  ].filter(difference => difference !== '')
}
