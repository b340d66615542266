import type { OwnSshKey } from '../../config/own-ssh-key.mts'
import { counted } from '../../run/counted.mts'
import type { DoctorCheck } from '../check.mts'
import { ok } from '../diagnosis.mts'
import { lookWith } from '../look.mts'

interface KeyFacts {
  /** Number of keys in config/vm.yaml. */
  configured: number
  own: OwnSshKey | undefined
}

/** SSH keys of new VMs. Without any, `vm create` makes only VMs that a wallet opens. */
export const sshKeys: DoctorCheck<KeyFacts> = {
  area: 'SSH keys',
  look: ({ site, defaults }) =>
    lookWith(defaults, 'config/vm.yaml', async ({ cloudInit }) => ({
      configured: cloudInit.sshAuthorizedKeys.length,
      own: await site.ownSshKey(),
    })),
  judge: ({ configured, own }) => {
    if (configured > 0) return [ok('SSH keys', `${counted(configured, 'key')} of config/vm.yaml`)]
    if (own !== undefined) return [ok('SSH keys', own.file)]
    return [
      {
        area: 'SSH keys',
        level: 'note',
        what: 'there is no SSH key for new VMs: `vm create` refuses those that no wallet opens',
        fix: 'make one with `ssh-keygen -t ed25519`, or set ssh_authorized_keys in config/vm.yaml',
      },
    ]
  },
}
