import type { Entry } from './entry.mts'

/** The description the VM carries in Proxmox. */
export function descriptionOf({ id, purpose }: Entry): string {
  return [purpose, `Made by proxmint. Entry ${id}.`].filter(Boolean).join('\n')
}

/** Whether a VM in Proxmox is the one of the entry, by name and description. */
export function isVmOf(entry: Entry, config: Record<string, string | number>): boolean {
  return config['name'] === entry.name && String(config['description'] ?? '').includes(`Entry ${entry.id}.`)
}
