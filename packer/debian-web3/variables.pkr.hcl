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

variable "web3_package" {
  type        = string
  description = "The libpam-web3 .deb: an absolute path on this machine, or a URL the guest downloads"
  default     = env("PAM_WEB3_PACKAGE")

  validation {
    condition     = length(var.web3_package) > 0
    error_message = "Name the libpam-web3 package: PAM_WEB3_PACKAGE, an absolute path or a URL."
  }
}

variable "web3_package_sha256" {
  type        = string
  description = "SHA-256 of the .deb; the guest verifies it before it installs"
  default     = env("PAM_WEB3_PACKAGE_SHA256")

  validation {
    condition     = length(var.web3_package_sha256) == 64
    error_message = "Give the SHA-256 of the libpam-web3 package: PAM_WEB3_PACKAGE_SHA256, 64 hexadecimal digits."
  }
}

variable "template_vmid" {
  type        = string # an unset TEMPLATE_VMID is empty, which is no number
  description = "VMID of the VM template. Empty: the next free one"
  default     = env("TEMPLATE_VMID")
}

variable "template_name" {
  type        = string
  description = "Name of the VM template"
  default     = "debian-web3"
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

variable "ssh_username" {
  type        = string
  description = "User of the build alone; removed before the VM becomes a template"
  default     = "packer"
}

variable "ssh_timeout" {
  type        = string
  description = "How long the guest may take to boot, start its agent and answer on SSH"
  default     = "10m"
}

variable "ssh_host" {
  type        = string
  description = "Address of the guest. Empty: the guest agent is asked"
  default     = ""
}

variable "ssh_port" {
  type        = number
  description = "SSH port of the guest"
  default     = 22
}

variable "manifest" {
  type        = string
  description = "Where the manifest of the build is written"
  default     = "manifest.json"
}
