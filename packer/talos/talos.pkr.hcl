packer {
  required_version = ">= 1.6.6"
  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = ">= 1.2.3"
    }
  }
}

source "proxmox-clone" "talos" {
  proxmox_url              = var.proxmox_url
  username                 = var.proxmox_username # user@realm!tokenid
  token                    = var.proxmox_token    # the secret alone
  node                     = var.proxmox_node
  insecure_skip_tls_verify = var.proxmox_skip_tls_verify == "true"
  task_timeout             = var.task_timeout

  # `base import` made it. A linked clone would tie the template to it for ever.
  clone_vm   = "proxmint-base-talos"
  full_clone = true
  pool       = var.resource_pool

  vm_id                = var.template_vmid
  vm_name              = "${var.template_name}-${var.build_id}" # while it is built
  template_name        = var.template_name
  template_description = "Talos Linux, built by proxmint. Build ${var.build_id}."

  os              = "l26"
  cores           = var.cores
  cpu_type        = var.cpu_type
  memory          = var.memory
  scsi_controller = "virtio-scsi-single"
  # Talos starts the agent once a machine is configured. Until then Proxmox must shut it down by ACPI; a VM cloned
  # from the template turns the agent on.
  qemu_agent = false

  network_adapters {
    model  = "virtio"
    bridge = var.bridge
  }

  # The template's own, empty drive: from it a clone reads its machine configuration (nocloud).
  cloud_init              = true
  cloud_init_storage_pool = var.proxmox_storage_pool

  # There is no shell to log in to. Packer starts the VM all the same: it waits until Talos obeys the power button.
  communicator = "none"
  boot_wait    = var.boot_wait
  boot_command = ["<wait>"]
}

build {
  sources = ["source.proxmox-clone.talos"]

  post-processor "manifest" {
    output     = var.manifest
    strip_path = true
    custom_data = {
      template_name = var.template_name
    }
  }
}
