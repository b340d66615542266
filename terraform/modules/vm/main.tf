locals {
  file    = coalesce(var.file_name, "proxmint-${var.name}")
  snippet = "${local.file}.yaml"
  iso     = "${local.file}.iso"
  ipv6    = strcontains(var.address, ":")

  # The first card has the address above, and keeps what somebody gave it of the other family.
  ip_configs = [
    for index, more in var.ip_configs : {
      ip4 = index == 0 && !local.ipv6 ? var.address : more.ip4
      gw4 = index == 0 && !local.ipv6 ? var.gateway : more.gw4
      ip6 = index == 0 && local.ipv6 ? var.address : more.ip6
      gw6 = index == 0 && local.ipv6 ? var.gateway : more.gw6
    }
  ]
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
  pool_id         = var.pool
  tags            = sort(var.tags)
  started         = var.started
  on_boot         = coalesce(var.on_boot, var.started)
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
    enabled = var.agent
    timeout = var.agent_timeout
  }

  disk {
    datastore_id = var.storage
    interface    = "scsi0"
    size         = var.disk
  }

  # The provider removes each card that is not in this list; it leaves all of them alone where there is no list.
  network_device = length(var.cards) == 0 ? null : [
    for index, card in var.cards : {
      bridge       = coalesce(card.bridge, var.bridge)
      disconnected = card.disconnected
      enabled      = card.enabled
      firewall     = card.firewall
      mac_address  = card.mac
      model        = card.model
      mtu          = card.mtu
      queues       = card.queues
      rate_limit   = card.rate
      trunks       = card.trunks
      vlan_id      = coalesce(card.vlan, index == 0 && var.vlan != null ? var.vlan : 0)
    }
  ]

  dynamic "initialization" {
    for_each = var.seed_iso == null ? [1] : []
    content {
      datastore_id      = coalesce(var.cloud_init_storage, var.storage)
      user_data_file_id = var.user_data == null ? null : coalesce(var.user_data_id, "${var.file_storage}:snippets/${local.snippet}")

      dynamic "user_account" {
        for_each = var.username == null ? [] : [1]
        content {
          username = var.username
          keys     = var.ssh_keys
        }
      }

      dynamic "ip_config" {
        for_each = local.ip_configs
        content {
          dynamic "ipv4" {
            for_each = ip_config.value.ip4 == null ? [] : [1]
            content {
              address = ip_config.value.ip4
              gateway = ip_config.value.gw4
            }
          }
          dynamic "ipv6" {
            for_each = ip_config.value.ip6 == null ? [] : [1]
            content {
              address = ip_config.value.ip6
              gateway = ip_config.value.gw6
            }
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

  # In the place of the template's own cloud-init drive, which would be a second seed: `seed_interface` names it.
  dynamic "cdrom" {
    for_each = var.seed_iso == null ? [] : [1]
    content {
      interface = var.seed_interface
      file_id   = "${var.file_storage}:iso/${local.iso}"
    }
  }

  lifecycle {
    # What somebody changes in Proxmox beyond the variables above stays. At the creation nothing is ignored. Another VM template
    # is no reason to make the VM anew: `vm rebuild` exchanges its root disk.
    ignore_changes = [
      acpi,
      agent[0].trim,
      agent[0].type,
      amd_sev,
      audio_device,
      bios,
      boot_order,
      clone,
      cpu[0].affinity,
      cpu[0].architecture,
      cpu[0].flags,
      cpu[0].hotplugged,
      cpu[0].limit,
      cpu[0].numa,
      cpu[0].sockets,
      cpu[0].units,
      disk[0].aio,
      disk[0].backup,
      disk[0].cache,
      disk[0].datastore_id,
      disk[0].discard,
      disk[0].file_format,
      disk[0].iothread,
      disk[0].path_in_datastore,
      disk[0].queues,
      disk[0].replicate,
      disk[0].serial,
      disk[0].speed,
      disk[0].ssd,
      efi_disk,
      hook_script_file_id,
      hostpci,
      hotplug,
      initialization[0].dns[0].domain,
      keyboard_layout,
      kvm_arguments,
      machine,
      memory[0].floating,
      memory[0].hugepages,
      memory[0].keep_hugepages,
      memory[0].shared,
      numa,
      operating_system,
      pool_id,
      protection,
      rng,
      scsi_hardware,
      serial_device,
      smbios,
      startup,
      tablet_device,
      tpm_state,
      usb,
      vga,
      virtiofs,
      watchdog,
    ]

    precondition {
      condition     = var.username == null || (var.user_data == null && var.seed_iso == null)
      error_message = "Where user_data or seed_iso is given, it names the account: username would be ignored."
    }
  }
}
