mock_provider "proxmox" {}

variables {
  ssh_keys = ["ssh-ed25519 AAAA jane"]
  templates = {
    debian = {
      version = "debian-20261121-6f4b6612"
      nodes   = { pve = { vmid = 9021, storage = "tank" } }
    }
  }
}

run "two_vms" {
  command = plan
  assert {
    condition     = join(" ", keys(module.vm)) == "db web"
    error_message = "not the two VMs of the example"
  }
}

run "a_node_without_a_copy" {
  command = plan
  variables {
    node = "pve9"
  }
  expect_failures = [var.node]
}
