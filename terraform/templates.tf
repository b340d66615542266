# The VM templates there are. The values are in templates.auto.tfvars.json, which proxmint writes from
# config/templates.lock.json whenever a channel changes; do not edit it.
variable "templates" {
  description = "Current version of each template family, with the VMID and storage of its copy on each node"
  type = map(object({
    version = string
    nodes   = map(object({ vmid = number, storage = string }))
  }))
  default = {}
}
