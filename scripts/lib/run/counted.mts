/** Number and noun: `1 VM`, `2 VMs`. @param noun Singular whose plural ends with `s`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
