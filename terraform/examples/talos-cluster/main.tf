# A small Kubernetes cluster on the VM template `talos`: one control plane, two workers. See docs/guides/talos.md.
terraform {
  required_version = ">= 1.9"
  required_providers {
    proxmox = {
      source  = "bpg/proxmox"
      version = ">= 0.111"
    }
  }
}

# A snippet is written over the node's SSH: PROXMOX_VE_SSH_USERNAME and PROXMOX_VE_SSH_PRIVATE_KEY.
provider "proxmox" {}

variable "templates" {
  description = "terraform/templates.auto.tfvars.json, which proxmint writes whenever a channel changes"
  type = map(object({
    version = string
    nodes   = map(object({ vmid = number, storage = string }))
  }))
}

variable "node" {
  type    = string
  default = "pve"

  validation {
    condition     = contains(keys(var.templates["talos"].nodes), var.node)
    error_message = "The VM template talos has no copy on that node."
  }
}

variable "configs" {
  description = "Folder with controlplane.yaml and worker.yaml of `talosctl gen config`. They hold secrets"
  type        = string
}

locals {
  template = var.templates["talos"].nodes[var.node]

  machines = {
    talos-cp-1     = { vmid = 5101, address = "192.168.122.190/24", role = "controlplane", cores = 2, memory = 4096 }
    talos-worker-1 = { vmid = 5111, address = "192.168.122.191/24", role = "worker", cores = 2, memory = 2048 }
    talos-worker-2 = { vmid = 5112, address = "192.168.122.192/24", role = "worker", cores = 2, memory = 2048 }
  }
}

module "machine" {
  source   = "../../modules/vm"
  for_each = local.machines

  name     = each.key
  node     = var.node
  vmid     = each.value.vmid
  template = { vmid = local.template.vmid, node = var.node }
  storage  = local.template.storage
  cores    = each.value.cores
  memory   = each.value.memory
  disk     = 20
  address  = each.value.address
  gateway  = "192.168.122.1"
  dns      = ["192.168.122.1"]
  # Talos reads its machine configuration from the cloud-init drive; its guest agent runs from then on.
  user_data = file("${var.configs}/${each.value.role}.yaml")
  tags      = ["talos", each.value.role]
}

output "control_plane" {
  value = [for name, machine in local.machines : split("/", machine.address)[0] if machine.role == "controlplane"]
}
