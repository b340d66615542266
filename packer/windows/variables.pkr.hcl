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
  description = "Storage of the disks and of the cloud-init drive"
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
  default     = "windows"
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
  default     = 4
}

variable "memory" {
  type        = number
  description = "Memory in MiB"
  default     = 8192
}

variable "disk_size" {
  type        = string
  description = "Size of the disk; a clone can grow it"
  default     = "40G"
}

variable "image_name" {
  type        = string
  description = "Edition within the installation medium: `dism /Get-WimInfo` lists them"
  default     = "Windows Server 2025 SERVERSTANDARD"
}

# Installation media. The node downloads them and verifies the checksums; neither publisher offers a list.

variable "iso_storage" {
  type        = string
  description = "Storage for ISO files; it must allow the content `iso`"
  default     = "local"
}

variable "windows_iso_url" {
  type        = string
  description = "Installation medium: by default the evaluation of Windows Server 2025, which runs for 180 days"
  default     = "https://software-static.download.prss.microsoft.com/dbazure/888969d5-f34g-4e03-ac9d-1f9786c66749/26100.1742.240906-0331.ge_release_svc_refresh_SERVER_EVAL_x64FRE_en-us.iso"
}

variable "windows_iso_checksum" {
  type        = string
  description = "sha256:..."
  default     = "sha256:d0ef4502e350e3c6c53c15b1b3020d38a5ded011bf04998e950720ac8579b23d"
}

variable "virtio_iso_url" {
  type        = string
  description = "Drivers for Proxmox's disks and network, and the guest agent"
  default     = "https://fedorapeople.org/groups/virt/virtio-win/direct-downloads/archive-virtio/virtio-win-0.1.285-1/virtio-win-0.1.285.iso"
}

variable "virtio_iso_checksum" {
  type        = string
  description = "sha256:..."
  default     = "sha256:e14cf2b94492c3e925f0070ba7fdfedeb2048c91eea9c5a5afb30232a3976331"
}

variable "virtio_driver_folder" {
  type        = string
  description = "Folder of the drivers for this Windows on the virtio-win medium: 2k25, 2k22, w11"
  default     = "2k25"
}

variable "cloudbase_init_url" {
  type        = string
  description = "Installer of cloudbase-init, which reads Proxmox's cloud-init drive on each clone"
  default     = "https://github.com/cloudbase/cloudbase-init/releases/download/1.1.8/CloudbaseInitSetup_1_1_8_x64.msi"
}

variable "cloudbase_init_sha256" {
  type        = string
  description = "SHA-256 of that installer; the guest verifies it"
  default     = "0e7fa42e0cbc0ce7657f85730b0c6cc7afc4087a3639df0ff51a721a0be19bd5"
}

# How it is built.

variable "task_timeout" {
  type        = string
  description = "How long one Proxmox task, such as a download, may take"
  default     = "60m"
}

variable "build_password" {
  type        = string
  description = "Password of Administrator during the build alone. proxmint makes a random one for each build"
  sensitive   = true
}

variable "winrm_timeout" {
  type        = string
  description = "How long the installation may take until WinRM answers"
  default     = "90m"
}

variable "manifest" {
  type        = string
  description = "Where the manifest of the build is written"
  default     = "manifest.json"
}
