# What every VM of this family is. Accounts, addresses and names come from Proxmox's cloud-init drive.
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/profiles/qemu-guest.nix" ];

  # The disk is scsi0 of a virtio-scsi controller.
  boot.loader.grub.devices = [ "/dev/sda" ];
  boot.growPartition = true;
  boot.kernelParams = [ "console=ttyS0,115200" ];

  # `base import` looks for packer/nixos/result/nixos.qcow2.
  image.modules.qemu.image.baseName = "nixos";

  networking.hostName = "";
  networking.useNetworkd = true;
  networking.useDHCP = false;

  services.qemuGuest.enable = true;
  services.cloud-init = {
    enable = true;
    network.enable = true;
    settings = {
      datasource_list = [ "NoCloud" "ConfigDrive" ];
      # Proxmox names the user; it gets what a default user has.
      system_info.default_user = {
        groups = [ "wheel" ];
        shell = "/run/current-system/sw/bin/bash";
        lock_passwd = true;
      };
    };
  };

  services.openssh = {
    enable = true;
    settings.PasswordAuthentication = false;
    settings.PermitRootLogin = "no";
  };

  # Nothing but SSH is to listen: systemd-resolved also answers to its whole network, by LLMNR and mDNS.
  environment.etc."systemd/resolved.conf.d/proxmint.conf".text = ''
    [Resolve]
    LLMNR=no
    MulticastDNS=no
  '';

  # cloud-init makes accounts on each clone; none has a password.
  users.mutableUsers = true;
  security.sudo.wheelNeedsPassword = false;

  system.stateVersion = "26.05";
}
