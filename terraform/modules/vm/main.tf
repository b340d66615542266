locals {
  file    = coalesce(var.file_name, "proxmint-${var.name}")
  snippet = "${local.file}.yaml"
  iso     = "${local.file}.iso"
  ipv6    = strcontains(var.address, ":")
}

resource "proxmox_virtual_environment_file" "snippet" {
  count        = var.user_data == null ? 0 : 1
  content_type = "snippets"
  datastore_id = var.file_storage
  node_name    = var.node
  overwrite    = true

  source_raw {
    data      = var.user_data
    file_name = local.snippet
  }
}

resource "proxmox_virtual_environment_file" "seed" {
  count        = var.seed_iso == null ? 0 : 1
  content_type = "iso"
  datastore_id = var.file_storage
  node_name    = var.node
  overwrite    = true

  source_file {
    path      = var.seed_iso
    file_name = local.iso
    # Without it the provider uploads a file once, whatever becomes of it.
    checksum = filesha256(var.seed_iso)
  }
}

resource "proxmox_virtual_environment_vm" "this" {
  # The id below is text: a computed one would replace the VM whenever its user-data changes.
  depends_on = [proxmox_virtual_environment_file.snippet, proxmox_virtual_environment_file.seed]

  name            = var.name
  description     = var.description
  node_name       = var.node
  vm_id           = var.vmid
  tags            = sort(var.tags)
  started         = var.started
  on_boot         = var.started
  stop_on_destroy = true
  # A disk of this number that its config does not name is somebody's, kept for some reason.
  delete_unreferenced_disks_on_destroy = false

  scsi_hardware = "virtio-scsi-single"

  clone {
    vm_id        = var.template.vmid
    node_name    = var.template.node
    datastore_id = var.storage
    full         = true
    # With more than one try, the provider takes "already exists" of a later one for its own success. Then it would
    # configure the VM that somebody else made with this VMID in the meantime.
    retries = 1
  }

  cpu {
    cores = var.cores
    type  = var.cpu_type
  }

  memory {
    dedicated = var.memory
  }

  agent {
    enabled = true
    timeout = var.agent_timeout
  }

  disk {
    datastore_id = var.storage
    interface    = "scsi0"
    size         = var.disk
  }

  network_device {
    bridge  = var.bridge
    vlan_id = var.vlan
  }

  dynamic "initialization" {
    for_each = var.seed_iso == null ? [1] : []
    content {
      datastore_id      = var.storage
      user_data_file_id = var.user_data == null ? null : "${var.file_storage}:snippets/${local.snippet}"

      dynamic "user_account" {
        for_each = var.username == null ? [] : [1]
        content {
          username = var.username
          keys     = var.ssh_keys
        }
      }

      ip_config {
        dynamic "ipv4" {
          for_each = local.ipv6 ? [] : [1]
          content {
            address = var.address
            gateway = var.gateway
          }
        }
        dynamic "ipv6" {
          for_each = local.ipv6 ? [1] : []
          content {
            address = var.address
            gateway = var.gateway
          }
        }
      }

      dynamic "dns" {
        for_each = length(var.dns) > 0 ? [1] : []
        content {
          servers = var.dns
        }
      }
    }
  }

  # In the place of the template's own cloud-init drive, which would be a second seed.
  dynamic "cdrom" {
    for_each = var.seed_iso == null ? [] : [1]
    content {
      interface = "ide2"
      file_id   = "${var.file_storage}:iso/${local.iso}"
    }
  }
  lifecycle {
    precondition {
      condition     = var.username == null || (var.user_data == null && var.seed_iso == null)
      error_message = "Where user_data or seed_iso is given, it names the account: username would be ignored."
    }
  }
}
