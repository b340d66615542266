output "vmid" {
  description = "VMID of the VM"
  value       = proxmox_virtual_environment_vm.this.vm_id
}

output "addresses" {
  description = "Every address the guest agent tells, without the loopback's"
  value = [
    for address in flatten([
      proxmox_virtual_environment_vm.this.ipv4_addresses,
      proxmox_virtual_environment_vm.this.ipv6_addresses,
    ]) : address if !contains(["127.0.0.1", "::1"], address)
  ]
}
