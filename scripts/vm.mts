import { printAnswer } from './lib/run/answer.mts'
import type { OptionSpec } from './lib/run/command-spec.mts'
import { runMain } from './lib/run/main.mts'
import { allowOption } from './lib/vm/allow.mts'
import { changeFlags, createFlags } from './lib/vm/flags.mts'

const flags = createFlags()
const parallel: OptionSpec = { type: 'integer', value: 'N', default: 2, help: 'VMs at the same time' }
const days: OptionSpec = {
  type: 'integer',
  value: 'N|never',
  help: 'days to add; `never`: it never expires',
}
const timeout: OptionSpec = {
  type: 'integer',
  value: 'SECONDS',
  help: 'how long the guest may take to power off; default: 120',
}
const hard: OptionSpec = {
  type: 'boolean',
  help: 'cut the power after that time; without it, the VM runs on then',
}
const yes: OptionSpec = { type: 'boolean', help: 'without asking' }

await runMain({
  name: 'vm',
  summary: 'Virtual machines: makes them from VM templates, keeps their registry, destroys them.',
  verbs: {
    create: {
      usage: 'NAME... [--from FILE] [--apply | --mock]',
      summary: 'Reserves VMs, and makes them with --apply; goes on with those that stopped on the way.',
      options: {
        ...flags,
        'user-signature': {
          type: 'string',
          value: 'HEX|FILE',
          help: 'what the owner signed, to encrypt the address for them; `vm show` prints the text',
        },
        from: { type: 'string', value: 'FILE', help: 'all VMs of a fleet file' },
        parallel,
        apply: { type: 'boolean', help: 'make and boot it; without, it is only reserved' },
        rollback: { type: 'boolean', help: 'give all up again if a step before the boot fails' },
        mock: { type: 'boolean', help: 'show what would be made; write nothing, need no credentials' },
      },
      positionals: 1000,
    },
    change: {
      usage: 'NAME... [--from FILE] [--plan-only] [--allow COST]...',
      summary: 'Changes VMs in place: shows what each difference costs, and makes it.',
      options: {
        ...changeFlags(),
        'write-keys': {
          type: 'boolean',
          help: 'add the SSH keys that the config has now to its account, by the guest agent',
        },
        from: { type: 'string', value: 'FILE', help: 'all VMs of a fleet file' },
        'plan-only': { type: 'boolean', help: 'show what it costs, change nothing' },
        allow: allowOption('agree to a cost: reboot, remove (a device), data-loss (a disk)'),
      },
      positionals: 1000,
    },
    list: {
      usage: '[--phase PHASE] [--pool POOL] [--outdated | --inventory | --ssh-config | --hosts]',
      summary: 'Lists VMs.',
      options: {
        phase: {
          type: 'string',
          value: 'PHASE',
          choices: ['reserved', 'created', 'minted', 'active', 'suspended', 'destroyed'],
          help: 'only those that are active, suspended, ...',
        },
        pool: { type: 'string', value: 'POOL', help: 'only those with an address of this pool' },
        outdated: { type: 'boolean', help: 'only those on a version that is not current, or revoked' },
        inventory: {
          type: 'boolean',
          help: "as Ansible's dynamic inventory; without --phase, those that are active",
        },
        'ssh-config': { type: 'boolean', help: 'as hosts of an SSH config' },
        hosts: { type: 'boolean', help: 'as lines of /etc/hosts' },
      },
      positionals: 0,
    },
    show: {
      usage: 'NAME',
      summary: 'Prints all that is known of a VM: registry, Proxmox, state, chain.',
      options: {},
      positionals: 1,
    },
    extend: {
      usage: 'NAME --days N|never',
      summary: 'Moves the expiry of a VM, or takes it away.',
      options: { days },
      positionals: 1,
    },
    resume: {
      usage: 'NAME [--days N|never]',
      summary: 'Powers on a suspended VM.',
      options: { days },
      positionals: 1,
    },
    start: {
      usage: 'NAME',
      summary: 'Powers on a VM that was stopped.',
      options: {},
      positionals: 1,
    },
    stop: {
      usage: 'NAME [--timeout SECONDS] [--hard]',
      summary: 'Asks the guest of a VM to power off; the VM stays off until `vm start`.',
      options: { timeout, hard },
      positionals: 1,
    },
    restart: {
      usage: 'NAME [--timeout SECONDS] [--hard]',
      summary: 'Powers a VM off and on; what waits in Proxmox becomes active.',
      options: { timeout, hard },
      positionals: 1,
    },
    rebuild: {
      usage: 'NAME [--undo | --undo-on-failure] [--yes] [--allow data-loss] [--no-login]',
      summary:
        'Gives a VM the current version of its template on a new root disk; keeps the old one for some days.',
      options: {
        yes,
        undo: { type: 'boolean', help: 'swap back to the root disk of before' },
        'undo-on-failure': {
          type: 'boolean',
          help: 'swap back by itself if the VM does not start, lacks its address or cloud-init fails',
        },
        'no-login': flags['no-login']!,
        allow: allowOption('agree to lose the root disk that an earlier rebuild keeps', ['data-loss']),
      },
      positionals: 1,
    },
    destroy: {
      usage: 'NAME [--yes] [--safety none|backup] [--allow data-loss]',
      summary: 'Destroys a VM; its name, VMID and address are free again.',
      options: {
        yes,
        safety: { ...flags['safety']!, help: 'make a backup first, or none; default: as decided for the VM' },
        allow: allowOption('agree to lose disks and snapshots of others', ['data-loss']),
      },
      positionals: 1,
    },
    restore: {
      usage: 'NAME [--days N|never] [--vmid N] [--storage STORAGE]',
      summary: 'Brings a destroyed VM back from its backup, powered off.',
      options: {
        days,
        vmid: { type: 'integer', value: 'N', help: 'with this VMID, where another VM has its own by now' },
        storage: {
          type: 'string',
          value: 'STORAGE',
          help: 'its disks on this storage; default: where they were',
        },
      },
      positionals: 1,
    },
    adopt: {
      usage: 'NAME|VMID... | --site [--apply]',
      summary:
        'Takes up VMs of this site that the registry does not have, or, by VMID, VMs that proxmint did not make.',
      options: {
        site: { type: 'boolean', help: 'all VMs with the tag of this site that the registry does not have' },
        apply: { type: 'boolean', help: 'write entries and states; without, only print what would be done' },
        template: { ...flags['template']!, help: 'template family of the VMs, for `vm rebuild`' },
        'cloud-init': flags['cloud-init']!,
        username: flags['username']!,
        'expiry-days': { ...flags['expiry-days']!, help: 'days until they expire; default: as of a new VM' },
        ip: { ...flags['ip']!, help: 'address of a VM whose guest agent does not answer' },
        'owner-wallet': { ...flags['owner-wallet']!, help: 'wallet that opens the VM; with --token-id' },
        'token-id': {
          type: 'string',
          value: 'ID',
          help: 'token id of the VM; `events` lists those of an owner',
        },
      },
      positionals: 1000,
    },
    import: {
      usage: 'FILE',
      summary: "Reads the predecessor's vms.json.",
      options: {},
      positionals: 1,
    },
  },
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain', 'many'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/vm.mts create web-1 --no-web3 --cpu 2 --memory 2048 --apply',
  async run(args, signal) {
    const { vmCommand } = await import('./lib/vm/verbs/command.mts')
    return printAnswer(args, await vmCommand(args, signal))
  },
})
