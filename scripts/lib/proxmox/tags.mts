/** Splits the tags of a VM. Proxmox stores them with semicolons, and takes commas and spaces too. */
export function tagsIn(text: string): string[] {
  return text.split(/[;, ]/).filter(tag => tag !== '')
}
