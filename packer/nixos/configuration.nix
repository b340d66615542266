# What every VM of this family is. Accounts, addresses and names come from Proxmox's cloud-init drive.
{ modulesPath, pkgs, ... }:
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
      # What stands here replaces the module's own system_info: without the first two cloud-init takes the system for
      # an Ubuntu. Proxmox names the user; it gets what a default user has.
      system_info = {
        distro = "nixos";
        network.renderers = [ "networkd" ];
        default_user = {
          groups = [ "wheel" ];
          shell = "/run/current-system/sw/bin/bash";
          lock_passwd = true;
        };
      };
    };
  };
  # The build waits for it and asks it, and so does the acceptance test; the module has it in its services alone.
  environment.systemPackages = [ pkgs.cloud-init ];

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
