/** Hint for a failure of Terraform or its provider; undefined if its text is unknown. */
export function hintForFailure(stderr: string): string | undefined {
  return KNOWN.find(([pattern]) => pattern.test(stderr))?.[1]
}

/** Words of OpenTofu and Terraform for a state that was cut short, overwritten or written by a newer version. */
export const UNREADABLE_STATE =
  /Unsupported state file format|(Error|Failed) (to )?(read|load)(ing)? (the |local )?state|resource .* from state/i

const KNOWN: [pattern: RegExp, hint: string][] = [
  [
    // Before the lock of the state, which cannot be written then either.
    /no space left on device|disk quota exceeded/i,
    'a disk is full: free some space where the folder vms/ is, and in the folder for temporary files; then run this again',
  ],
  [
    UNREADABLE_STATE,
    'the state of the VM is damaged: vms/NAME/terraform.tfstate, or its copy in the backend. The VM itself is unchanged. ' +
      'Put back a backup of the state (`terraform.tfstate.backup` beside it is the one before the last change), or read a ' +
      'state in the folder from Proxmox again with `zx scripts/vm.mts adopt NAME --apply`. `vm destroy` works without it',
  ],
  [
    /VM is locked \(\S+\)/,
    'an operation of Proxmox works on the VM, or was interrupted: wait for its task to end. If no task runs any more, on ' +
      'the node of the VM: qm unlock VMID',
  ],
  [
    // The provider keeps the host keys of nodes in the home folder, as ssh does.
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    'the SSH host key of the node has changed. If the node was reinstalled: `ssh-keygen -R ADDRESS`, with the address ' +
      'above; if not, somebody may intercept the connection',
  ],
  [
    /SSH[\s\S]*dial tcp .*(refused|time(d )?-?out|no route|unreachable)/,
    'snippets are uploaded by SSH, and the node cannot be reached from here: check the address above, the firewall ' +
      'and, in a lab, `zx scripts/lab.mts exec`; or set `cloud_init.delivery: iso` in config/vm.yaml',
  ],
  [
    /hostname lookup '\S+' failed/,
    'a node of the state left the cluster. In the folder vms/NAME, `tofu state list` names the file that was on it. ' +
      'Remove it with `tofu state rm`; `apply` then writes it to the node of the VM. `vm destroy` needs no repair',
  ],
  [
    /unable to authenticate user|failed to open SSH client/,
    'snippets are uploaded by SSH: correct proxmox_ssh_user and proxmox_ssh_private_key in the credentials. VMs created ' +
      'with `cloud_init.delivery: iso` in config/vm.yaml need no SSH',
  ],
  [
    /Error acquiring the state lock/,
    'another run has locked the state. If that run was killed on another machine, unlock it in the folder of the VM: ' +
      '`tofu force-unlock ID`, with the ID above',
  ],
]
