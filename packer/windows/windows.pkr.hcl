packer {
  required_version = ">= 1.10.0" # no older builder knows efi_config, tpm_config and boot_iso
  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = ">= 1.2.3"
    }
  }
}

source "proxmox-iso" "windows" {
  proxmox_url              = var.proxmox_url
  username                 = var.proxmox_username # user@realm!tokenid
  token                    = var.proxmox_token    # the secret alone
  node                     = var.proxmox_node
  insecure_skip_tls_verify = var.proxmox_skip_tls_verify == "true"
  task_timeout             = var.task_timeout

  pool                 = var.resource_pool
  vm_id                = var.template_vmid
  vm_name              = "${var.template_name}-${var.build_id}" # while it is built
  template_name        = var.template_name
  template_description = "${var.image_name}, built by proxmint. Build ${var.build_id}."

  os              = "win11" # Windows 11 and Server 2022 or newer
  machine         = "q35"
  bios            = "ovmf"
  cores           = var.cores
  memory          = var.memory
  cpu_type        = "host"
  scsi_controller = "virtio-scsi-single"
  qemu_agent      = true # Packer asks it for the address; needs VM.GuestAgent.Audit

  efi_config {
    efi_storage_pool  = var.proxmox_storage_pool
    efi_type          = "4m"
    pre_enrolled_keys = true
  }

  tpm_config {
    tpm_storage_pool = var.proxmox_storage_pool
    tpm_version      = "v2.0"
  }

  disks {
    type         = "scsi"
    storage_pool = var.proxmox_storage_pool
    disk_size    = var.disk_size
    discard      = true
  }

  network_adapters {
    model  = "virtio"
    bridge = var.bridge
  }

  boot_iso {
    type             = "sata"
    iso_url          = var.windows_iso_url
    iso_checksum     = var.windows_iso_checksum
    iso_storage_pool = var.iso_storage
    iso_download_pve = true
    unmount          = true
  }

  additional_iso_files {
    type             = "sata"
    iso_url          = var.virtio_iso_url
    iso_checksum     = var.virtio_iso_checksum
    iso_storage_pool = var.iso_storage
    iso_download_pve = true
    unmount          = true
  }

  # The answer file holds the build's password. Packer deletes this medium from the storage when the build ends.
  additional_iso_files {
    type             = "sata"
    iso_storage_pool = var.iso_storage
    unmount          = true
    cd_label         = "PROXMINT"
    cd_files         = ["${path.root}/scripts/setup-complete.ps1"]
    cd_content = {
      "autounattend.xml" = templatefile("${path.root}/autounattend.xml.pkrtpl", {
        image_name     = var.image_name
        driver_folder  = var.virtio_driver_folder
        build_password = var.build_password
      })
    }
  }

  # "Press any key to boot from CD": asked for a few seconds.
  boot_wait    = "3s"
  boot_command = ["<enter><wait1s><enter><wait1s><enter><wait1s><enter><wait1s><enter>"]

  # The template's own, empty drive: cloudbase-init reads it on each clone.
  cloud_init              = true
  cloud_init_storage_pool = var.proxmox_storage_pool

  communicator   = "winrm"
  winrm_username = "Administrator"
  winrm_password = var.build_password
  winrm_use_ssl  = true
  winrm_insecure = true # the guest made its certificate itself; sysprep removes it
  winrm_timeout  = var.winrm_timeout
}

build {
  sources = ["source.proxmox-iso.windows"]

  provisioner "file" {
    source      = "${path.root}/cloudbase-init/"
    destination = "C:/Windows/Temp/cloudbase-init"
  }

  provisioner "powershell" {
    script = "${path.root}/scripts/install-cloudbase-init.ps1"
    environment_vars = [
      "CLOUDBASE_INIT_URL=${var.cloudbase_init_url}",
      "CLOUDBASE_INIT_SHA256=${var.cloudbase_init_sha256}",
    ]
  }

  provisioner "powershell" {
    script = "${path.root}/scripts/clean-up.ps1"
  }

  # Generalizes, then hands the last step to a task of the system: when the password is another and WinRM is off,
  # Packer can no longer ask how it went.
  provisioner "powershell" {
    script     = "${path.root}/scripts/sysprep.ps1"
    skip_clean = true
  }

  # Gives that task its time before Packer shuts the VM down.
  provisioner "shell-local" {
    inline = ["sleep 60"]
  }

  post-processor "manifest" {
    output     = var.manifest
    strip_path = true
    custom_data = {
      template_name = var.template_name
      image_name    = var.image_name
    }
  }
}
