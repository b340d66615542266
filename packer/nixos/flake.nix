{
  description = "The NixOS disk image that proxmint imports as a base VM";

  # Renovate moves the release; `nix flake update` moves the lock within it.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = { self, nixpkgs }: {
    nixosConfigurations.proxmint = nixpkgs.lib.nixosSystem {
      system = "x86_64-linux";
      modules = [ ./configuration.nix ];
    };

    # `qemu`: a qcow2 that boots with SeaBIOS, as the base VM does.
    packages.x86_64-linux.default = self.nixosConfigurations.proxmint.config.system.build.images.qemu;
  };
}
