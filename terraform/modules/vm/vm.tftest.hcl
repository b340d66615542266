# Without a Proxmox: what the module asks the provider for.
mock_provider "proxmox" {}

variables {
  name     = "web"
  node     = "pve"
  vmid     = 5001
  template = { vmid = 9001, node = "pve" }
  storage  = "tank"
  disk     = 10
  address  = "192.168.122.180/24"
  gateway  = "192.168.122.1"
}

run "an_account_of_cloud_init" {
  command = plan
  variables {
    username = "admin"
    ssh_keys = ["ssh-ed25519 AAAA jane"]
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.initialization[0].user_account[0].username == "admin"
    error_message = "cloud-init is not told of the account"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.clone[0].full
    error_message = "the clone is linked to its VM template"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.cpu[0].type == "x86-64-v2-AES"
    error_message = "the provider's own default is an old CPU, which lacks what current systems need"
  }
  assert {
    condition     = length(proxmox_virtual_environment_file.snippet) == 0
    error_message = "a snippet needs SSH to the node, and none was asked for"
  }
}

run "user_data_by_snippet" {
  command = plan
  variables {
    user_data = "#cloud-config\n"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.initialization[0].user_data_file_id == "local:snippets/proxmint-web.yaml"
    error_message = "the id must be text, or a change of the user-data replaces the VM"
  }
}

run "user_data_by_a_seed" {
  command = plan
  variables {
    seed_iso  = "variables.tf" # any file
    file_name = "web-of-mine"
  }
  assert {
    condition     = proxmox_virtual_environment_file.seed[0].source_file[0].checksum == filesha256("variables.tf")
    error_message = "the provider uploads a seed that changed only where its checksum has changed"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.cdrom[0].file_id == "local:iso/web-of-mine.iso"
    error_message = "the VM has another file than the one that is uploaded"
  }
}

run "user_data_and_an_account" {
  command = plan
  variables {
    user_data = "#cloud-config\n"
    username  = "admin"
  }
  expect_failures = [proxmox_virtual_environment_vm.this]
}

run "ipv6" {
  command = plan
  variables {
    address = "2001:db8::5/64"
    gateway = "2001:db8::1"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.initialization[0].ip_config[0].ipv6[0].address == "2001:db8::5/64"
    error_message = "the address is not given as IPv6"
  }
}

run "several_cards_and_both_families" {
  command = plan
  variables {
    cards = [
      {},
      { bridge = "vmbr1", vlan = 40, firewall = true, rate = 10, mtu = 1400 },
    ]
    ip_configs = [
      { ip6 = "2001:db8::5/64", gw6 = "fe80::1" },
      { ip4 = "10.9.0.5/24" },
    ]
  }
  assert {
    condition     = [for card in proxmox_virtual_environment_vm.this.network_device : "${card.bridge} ${card.vlan_id}"] == ["vmbr0 0", "vmbr1 40"]
    error_message = "a card without a bridge is on the bridge of the VM, and another one on its own"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.network_device[1].firewall && proxmox_virtual_environment_vm.this.network_device[1].mtu == 1400
    error_message = "what a card has of its own is lost"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.initialization[0].ip_config[0].ipv4[0].address == "192.168.122.180/24" && proxmox_virtual_environment_vm.this.initialization[0].ip_config[0].ipv6[0].address == "2001:db8::5/64"
    error_message = "the first card has the own address and the one of the other family"
  }
  assert {
    condition     = proxmox_virtual_environment_vm.this.initialization[0].ip_config[1].ipv4[0].address == "10.9.0.5/24"
    error_message = "the second card does not have its address"
  }
}
