variable "name" {
  type        = string
  description = "Host name of the VM"
}

variable "description" {
  type        = string
  description = "Notes of the VM, set by the clone itself"
  default     = ""
}

variable "node" {
  type        = string
  description = "Node the VM runs on"
}

variable "vmid" {
  type        = number
  description = "VMID. Always set: what a provider picks by itself can be somebody else's by then"
}

variable "template" {
  type = object({
    vmid = number
    node = string
  })
  description = "The VM template that is cloned, and the node it is on"
}

variable "storage" {
  type        = string
  description = "Storage of the disk and the cloud-init drive"
}

variable "pool" {
  type        = string
  description = "Resource pool that the clone is made in. Null: none. A later change is left to Proxmox"
  default     = null
}

variable "cores" {
  type        = number
  description = "CPU cores"
  default     = 2
}

variable "cpu_type" {
  type        = string
  description = "CPU model the guest sees. Every node it is to run or migrate to must have it. The provider reboots a running VM to change it"
  default     = "x86-64-v2-AES"
}

variable "memory" {
  type        = number
  description = "Memory in MiB"
  default     = 2048
}

variable "disk" {
  type        = number
  description = "Size of the root disk in GiB; not less than the template's"
}

variable "address" {
  type        = string
  description = "Address with prefix length, IPv4 or IPv6: 192.168.122.200/24"
}

variable "gateway" {
  type        = string
  description = "Default gateway, of the address's family"
  default     = null
}

variable "dns" {
  type        = list(string)
  description = "Name servers. Empty: the node's"
  default     = []
}

variable "bridge" {
  type        = string
  description = "Bridge the VM is attached to"
  default     = "vmbr0"
}

variable "vlan" {
  type        = number
  description = "802.1Q tag"
  default     = null
}

variable "tags" {
  type        = list(string)
  description = "Tags of the VM, lower case"
  default     = []
}

variable "started" {
  type        = bool
  description = "Whether the VM is to run"
  default     = true
}

variable "on_boot" {
  type        = bool
  description = "Whether the VM starts with its node. Null: as `started`"
  default     = null
}

variable "username" {
  type        = string
  description = "The account cloud-init makes, where there is no user-data. Null: the image's own"
  default     = null
}

variable "ssh_keys" {
  type        = list(string)
  description = "Public keys that may log in to that account"
  default     = []
}

variable "user_data" {
  type        = string
  description = "Cloud-init user-data, delivered as a snippet over the node's SSH. Null: the template's own"
  default     = null
}

variable "seed_iso" {
  type        = string
  description = "Path of a NoCloud seed (an ISO) to upload by the API instead, where SSH to the node is not allowed. It must be there when Terraform plans"
  default     = null
}

variable "file_name" {
  type        = string
  description = "Name of the snippet or the ISO on the storage, without its ending. Null: proxmint-NAME. Two VMs must not share one"
  default     = null
}

variable "file_storage" {
  type        = string
  description = "Storage of the snippet or the ISO; it must allow that content type"
  default     = "local"
}

variable "agent_timeout" {
  type        = string
  description = "How long to wait for the guest agent to tell its addresses"
  default     = "10m"
}

variable "agent" {
  type        = bool
  description = "Whether the VM has a channel for the guest agent"
  default     = true
}

variable "cards" {
  type = list(object({
    enabled      = optional(bool, true)
    bridge       = optional(string)
    vlan         = optional(number)
    model        = optional(string, "virtio")
    mac          = optional(string)
    firewall     = optional(bool, false)
    disconnected = optional(bool, false)
    rate         = optional(number, 0)
    mtu          = optional(number, 0)
    queues       = optional(number, 0)
    trunks       = optional(string, "")
  }))
  description = "All network cards, net0 first; one that is not enabled is none. Those that are not named here are removed. Empty: all cards stay as they are"
  default     = [{}]
}

variable "ip_configs" {
  type = list(object({
    ip4 = optional(string)
    gw4 = optional(string)
    ip6 = optional(string)
    gw6 = optional(string)
  }))
  description = "Cloud-init's addresses beside the own one, a card each, net0 first. What is not named here is taken away"
  default     = [{}]
}

variable "cloud_init_storage" {
  type        = string
  description = "Storage of the cloud-init drive. Null: that of the disk"
  default     = null
}

variable "user_data_id" {
  type        = string
  description = "Volume of the user-data that the VM has. Null: the snippet made here. Another one replaces the VM"
  default     = null
}

variable "seed_interface" {
  type        = string
  description = "Drive of the seed ISO. It must be the one with the VM template's cloud-init drive: cloud-init would read the wrong one of two"
  default     = "ide2"
}
