mock_provider "proxmox" {}

variables {
  configs = "test-configs"
  templates = {
    talos = {
      version = "talos-20261121-0a1b2c3d"
      nodes   = { pve = { vmid = 9031, storage = "tank" } }
    }
  }
}

run "one_control_plane_and_two_workers" {
  command = plan
  assert {
    condition     = length(module.machine) == 3
    error_message = "not the three machines of the example"
  }
  assert {
    condition     = output.control_plane == ["192.168.122.190"]
    error_message = "the control plane has another address"
  }
}

run "a_node_without_a_copy" {
  command = plan
  variables {
    node = "pve9"
  }
  expect_failures = [var.node]
}
