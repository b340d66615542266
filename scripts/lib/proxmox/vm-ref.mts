/** VM in the cluster. */
export interface VmRef {
  node: string
  vmid: number
}

/** API path of a VM. */
export function vmPath({ node, vmid }: VmRef): string {
  return `/nodes/${encodeURIComponent(node)}/qemu/${vmid}`
}
