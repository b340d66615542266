/**
 * The moments between which a run can die, by room, in the order in which a run passes them. Tests kill a run at each
 * of them, by its name in PROXMINT_TEST_KILL_AT, and see what the next run makes of it.
 * test/unit/run/checkpoint.test.mts compares them with the code.
 */

/** Build, acceptance test, promotion and prune. */
export const BUILD_CHECKPOINTS = [
  'reserved',
  'packer-started',
  'packer-ended',
  'finished',
  'test-reserved',
  'test-started',
  'tested',
  'recorded',
  'released',
  'mirrored',
  'prune-planned',
  'prune-deleted',
  'prune-forgotten',
]

/** The life of a VM. */
export const VM_CHECKPOINTS = [
  'vm-reserved',
  'vm-create-planned',
  'vm-create-applied',
  'vm-reshaped',
  'vm-created',
  'vm-minted',
  'vm-token-planned',
  'vm-token-applied',
  'vm-boot-planned',
  'vm-boot-applied',
  'vm-verified',
  'vm-active',
  'vm-suspended',
  'vm-stopped',
  'vm-resume-planned',
  'vm-resume-applied',
  'vm-resume-verified',
  'vm-destroy-planned',
  'vm-destroy-applied',
  'vm-destroyed',
  'vm-folder-moved',
  'vm-folder-removed',
  'vm-forgotten',
]

/** The power of a VM, at the wish of a person. */
export const POWER_CHECKPOINTS = ['vm-stop-decided', 'vm-started']

/** The backup of a VM before it is destroyed, and its restore. */
export const BACKUP_CHECKPOINTS = [
  'vm-backup-made',
  'vm-backed-up',
  'vm-restore-decided',
  'vm-restored',
  'vm-restore-taken-up',
]

/** `vm change`: the entry is written; disks have grown, and the VM was rebooted where that needs it. */
export const CHANGE_CHECKPOINTS = ['vm-change-written', 'vm-change-made']

/** A VM that runs is powered off for a change of its config. */
export const RESHAPE_CHECKPOINTS = ['vm-off-to-reshape']
/** `vm adopt VMID`: the entries are written; a VM has the mark of its entry. */
export const ADOPT_CHECKPOINTS = ['vm-adopted', 'vm-adopted-marked']

/** A rebuild of a VM that is there, to its end. `vm-stopped` and those of a boot come in between. */
export const REBUILD_CHECKPOINTS = [
  'vm-rebuild-decided',
  'vm-rebuild-cloned',
  'vm-rebuild-prepared',
  'vm-rebuild-stopped',
  'vm-rebuild-detached',
  'vm-rebuild-moved',
  'vm-rebuild-attached',
  'vm-rebuild-swapped',
  'vm-rebuild-started',
  'vm-rebuild-spare-removed',
  'vm-rebuild-older-removed',
  'vm-rebuild-done',
]

/** An undo, to the point from which it goes on as a rebuild does. */
export const UNDO_CHECKPOINTS = ['vm-undo-decided', 'vm-rebuild-exchanged']

/** A rebuild that is taken back: before the VM was changed, without a root disk, and with the new one. */
export const TAKEN_BACK_CHECKPOINTS = ['vm-rebuild-restored', 'vm-rebuild-given-up', 'vm-rebuild-turned']

/** The end of the days for which the root disk of before is kept. */
export const PREVIOUS_CHECKPOINTS = ['vm-previous-removed']

/** What a run that died made of a VM that is only reserved is removed before it is made from another version. */
export const REPLACED_CHECKPOINTS = ['vm-rebuild-cleared']

/** A change of `templates.lock.json` or `reservations.json`: it is written beside the file, and not renamed yet. */
export const FILE_CHECKPOINTS = ['file-written']

/** `registry restore --replace`: prepared beside the registry; in its place, and the former files are still there. */
export const RESTORE_CHECKPOINTS = ['registry-prepared', 'registry-replaced']

/** A transaction: nothing is signed; signed and stored; sent; its receipt was seen. */
export const MINT_CHECKPOINTS = ['mint-unsigned', 'mint-stored', 'mint-sent', 'mint-mined']

/** A trial: its record is written; its project is made; each step as its command starts, and when it is over. */
export const TRIAL_CHECKPOINTS = [
  'trial-recorded',
  'trial-project',
  'trial-doctor-begun',
  'trial-permissions-begun',
  'trial-pool-ended',
  'trial-import-begun',
  'trial-import-ended',
  'trial-build-begun',
  'trial-build-ended',
  'trial-snippet-begun',
  'trial-snippet-ended',
  'trial-change-begun',
  'trial-suspend-begun',
  'trial-resume-begun',
  'trial-second-begun',
  'trial-second-ended',
  'trial-rebuild-begun',
  'trial-rebuild-ended',
  'trial-compare-begun',
  'trial-snippetgone-begun',
  'trial-iso-begun',
  'trial-iso-ended',
  'trial-isogone-begun',
  'trial-isogone-ended',
]

/** The end of a trial: each part that was removed. */
export const TRIAL_END_CHECKPOINTS = ['vms', 'reserved', 'templates', 'base', 'image', 'pool', 'all'].map(
  part => `trial-${part}-removed`,
)
