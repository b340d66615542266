// The Proxmox client of Packer's plugin, at the commit which that plugin pins.
module proxmint/test/telmate

go 1.21

require github.com/Telmate/proxmox-api-go v0.0.0-20241022204517-b149708f750b
