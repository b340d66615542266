/** What to do about a failure of Terraform or its provider, where that is known from its words. */
export function hintForFailure(stderr: string): string | undefined {
  return known.find(([pattern]) => pattern.test(stderr))?.[1]
}

/** The provider keeps the host keys of nodes in the home folder, as ssh does. */
const changedHostKey =
  'the node has another SSH host key than the last time. If it was installed anew: `ssh-keygen -R ADDRESS`, with the ' +
  'address above; if not, somebody may stand between you and the node'

const noLogin =
  'snippets travel by the SSH of the node: correct proxmox_ssh_user and proxmox_ssh_private_key in the credentials. ' +
  'With `cloud_init.delivery: iso` in config/vm.yaml no SSH is needed, by VMs that are created from then on'

const unreachable =
  'snippets travel by the SSH of the node, which cannot be reached from here: look at the address above, the firewall ' +
  'and, in a lab, `zx scripts/lab.mts exec`; or set `cloud_init.delivery: iso` in config/vm.yaml'

const nodeLeft =
  'a node of the state left the cluster. In the folder of the VM, vms/NAME, `tofu state list` names the file that was ' +
  'on it; `tofu state rm` it, and `apply` puts it on the node that has the VM. `vm destroy` works as it is'

const locked =
  'another run has the state. One that was killed on another machine gives it up never: `tofu force-unlock ID` in the ' +
  "VM's folder, with the ID above"

const known: [RegExp, string][] = [
  [/REMOTE HOST IDENTIFICATION HAS CHANGED/, changedHostKey],
  [/SSH[\s\S]*dial tcp .*(refused|time(d )?-?out|no route|unreachable)/, unreachable],
  [/hostname lookup '\S+' failed/, nodeLeft],
  [/unable to authenticate user|failed to open SSH client/, noLogin],
  [/Error acquiring the state lock/, locked],
]
