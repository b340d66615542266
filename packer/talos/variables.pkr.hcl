# Credentials and place. A direnv shell sets the environment variables from secrets/proxmox-creds.enc.yaml.

variable "proxmox_url" {
  type        = string
  description = "Proxmox VE API, https://HOST:8006/api2/json"
  default     = env("PROXMOX_URL")
}

variable "proxmox_username" {
  type        = string
  description = "Full API token id: user@realm!tokenid"
  default     = env("PROXMOX_USERNAME")
  sensitive   = true
}

variable "proxmox_token" {
  type        = string
  description = "Secret of the API token, a UUID: not the PVEAPIToken=... string"
  default     = env("PROXMOX_TOKEN")
  sensitive   = true
}

variable "proxmox_node" {
  type        = string
  description = "Node that builds and keeps the VM template"
  default     = env("PROXMOX_NODE")
}

variable "proxmox_storage_pool" {
  type        = string
  description = "Storage of the cloud-init drive; the disk stays on the base VM's storage"
  default     = env("PROXMOX_STORAGE_POOL")
}

variable "proxmox_skip_tls_verify" {
  type        = string
  description = "true accepts any certificate of the API. Prefer SSL_CERT_FILE with the cluster's CA"
  default     = env("PROXMOX_SKIP_TLS_VERIFY")
}

# What is built.

variable "template_vmid" {
  type        = number
  description = "VMID of the VM template. 0: the next free one"
  default     = 0
}

variable "template_name" {
  type        = string
  description = "Name of the VM template"
  default     = "talos"
}

variable "build_id" {
  type        = string
  description = "Tells this build's VM from every other: in the name while it is built, then in the description"
  default     = "by-hand"
}

variable "bridge" {
  type        = string
  description = "Bridge the VM template is attached to"
  default     = "vmbr0"
}

variable "resource_pool" {
  type        = string
  description = "Resource pool that the VM template is made in. Empty: none"
  default     = ""
}

variable "cores" {
  type        = number
  description = "CPU cores"
  default     = 2
}

variable "cpu_type" {
  type        = string
  description = "CPU model while it is built and tested; VMs have their own, of config/vm.yaml"
  default     = "x86-64-v2-AES"
}

variable "memory" {
  type        = number
  description = "Memory in MiB"
  default     = 2048
}

# How it is built.

variable "task_timeout" {
  type        = string
  description = "How long one Proxmox task, such as the clone, may take"
  default     = "10m"
}

variable "boot_wait" {
  type        = string
  description = "How long Talos may take until it obeys the power button"
  default     = "60s"
}

variable "manifest" {
  type        = string
  description = "Where the manifest of the build is written"
  default     = "manifest.json"
}
