# VMs from the current version of a template family, and nothing else of proxmint. See docs/terraform.md.
terraform {
  required_version = ">= 1.9"
  required_providers {
    proxmox = {
      source  = "bpg/proxmox"
      version = ">= 0.111"
    }
  }
}

# Endpoint and API token come from the environment: PROXMOX_VE_ENDPOINT, PROXMOX_VE_API_TOKEN.
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
    condition     = contains(keys(var.templates["debian"].nodes), var.node)
    error_message = "The VM template debian has no copy on that node."
  }
}

variable "ssh_keys" {
  description = "Public keys that may log in as admin"
  type        = list(string)
}

locals {
  template = var.templates["debian"].nodes[var.node]

  # VMIDs outside of vmid_range in config/db.yaml, addresses outside of its pools: those are for `vm create`.
  vms = {
    web = { vmid = 5001, address = "192.168.122.180/24", cores = 2 }
    db  = { vmid = 5002, address = "192.168.122.181/24", cores = 1 }
  }
}

module "vm" {
  source   = "../../modules/vm"
  for_each = local.vms

  name     = each.key
  node     = var.node
  vmid     = each.value.vmid
  template = { vmid = local.template.vmid, node = var.node }
  storage  = local.template.storage
  cores    = each.value.cores
  disk     = 10
  address  = each.value.address
  gateway  = "192.168.122.1"
  dns      = ["192.168.122.1"]
  username = "admin"
  ssh_keys = var.ssh_keys
  tags     = ["example", var.templates["debian"].version]
}

output "addresses" {
  value = { for name, vm in module.vm : name => vm.addresses }
}
