packer {
  required_version = ">= 1.6.6"
  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = ">= 1.2.3"
    }
  }
}

source "proxmox-clone" "nixos" {
  proxmox_url              = var.proxmox_url
  username                 = var.proxmox_username # user@realm!tokenid
  token                    = var.proxmox_token    # the secret alone
  node                     = var.proxmox_node
  insecure_skip_tls_verify = var.proxmox_skip_tls_verify == "true"
  task_timeout             = var.task_timeout

  # `base import` made it. A linked clone of it can stop at boot: "PARTUUID does not exist".
  clone_vm   = "proxmint-base-nixos"
  full_clone = true
  pool       = var.resource_pool

  vm_id                = var.template_vmid
  vm_name              = "${var.template_name}-${var.build_id}" # while it is built
  template_name        = var.template_name
  template_description = "NixOS, built by proxmint. Build ${var.build_id}."

  os              = "l26"
  cores           = var.cores
  cpu_type        = var.cpu_type
  memory          = var.memory
  scsi_controller = "virtio-scsi-single"
  qemu_agent      = true # Packer asks it for the address; needs VM.GuestAgent.Audit

  network_adapters {
    model  = "virtio"
    bridge = var.bridge
  }

  # The template's own, empty drive: Proxmox fills it for each VM that is cloned from it.
  cloud_init              = true
  cloud_init_storage_pool = var.proxmox_storage_pool

  # The key is made by Packer for this build alone and given to the guest by cloud-init.
  ssh_username = var.ssh_username
  ssh_timeout  = var.ssh_timeout
  ssh_host     = var.ssh_host == "" ? null : var.ssh_host
  ssh_port     = var.ssh_port
}

build {
  sources = ["source.proxmox-clone.nixos"]

  # 2 is "degraded done": Proxmox's own cloud-init data holds a deprecated key.
  provisioner "shell" {
    inline           = ["cloud-init status --wait"]
    valid_exit_codes = [0, 2]
  }

  # ... and only that may be behind it.
  provisioner "shell" {
    script = "${path.root}/../common/check-cloud-init.sh"
  }

  provisioner "shell" {
    script          = "${path.root}/../common/clean-up.sh"
    execute_command = "sudo env BUILD_USER='${var.ssh_username}' sh '{{ .Path }}'"
    # The build's user is gone when the script ends, and the script with it.
    skip_clean = true
  }

  post-processor "manifest" {
    output     = var.manifest
    strip_path = true
    custom_data = {
      template_name = var.template_name
    }
  }
}
