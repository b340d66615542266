import { printAnswer } from './lib/run/answer.mts'
import { verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'vm'

await runMain({
  name,
  summary: 'Virtual machines: makes them from VM templates, keeps their registry, destroys them.',
  usage:
    'create NAME... [--from FILE] | list | show NAME | extend NAME --days N | resume NAME | rebuild NAME | destroy NAME | import FILE',
  options: {
    'owner-wallet': {
      type: 'string',
      value: 'ADDRESS',
      help: 'create: the wallet that opens it, with the checksum of EIP-55',
    },
    'no-web3': { type: 'boolean', help: 'create: no access credential; SSH keys alone open it' },
    'skip-mint': {
      type: 'boolean',
      help: 'create: boots it without a token; no wallet opens it until `mint --vm NAME`',
    },
    'user-signature': {
      type: 'string',
      value: 'HEX|FILE',
      help: 'create: what the owner signed, to encrypt the address for them; `vm show` tells the text',
    },
    purpose: { type: 'string', value: 'TEXT', help: 'create: what it is for' },
    cpu: { type: 'integer', value: 'N', help: 'create: cores' },
    'cpu-type': {
      type: 'string',
      value: 'MODEL',
      help: 'create: CPU model as Proxmox names it: host, x86-64-v3',
    },
    memory: { type: 'integer', value: 'MIB', help: 'create: memory in MiB' },
    disk: { type: 'integer', value: 'GIB', help: 'create: root disk in GiB' },
    tags: { type: 'string', multiple: true, value: 'TAG', help: 'create: further tags in Proxmox' },
    'expiry-days': { type: 'integer', value: 'N', help: 'create: how long it is opened' },
    username: { type: 'string', value: 'NAME', help: 'create: its login account' },
    node: { type: 'string', value: 'NODE', help: 'create: where it runs; auto: where most memory is free' },
    pool: {
      type: 'string',
      value: 'POOL',
      help: 'create: where its address comes from; list: only of this pool',
    },
    ip: { type: 'string', value: 'ADDRESS', help: 'create: this very address of the pool' },
    vmid: { type: 'integer', value: 'N', help: 'create: this very VMID' },
    template: { type: 'string', value: 'OS', help: 'create: the template family it is made from' },
    'template-vmid': { type: 'integer', value: 'N', help: 'create: a VM template that is in no lockfile' },
    'cloud-init': { type: 'string', value: 'NAME', help: 'create: a file of cloud-init/templates/' },
    from: { type: 'string', value: 'FILE', help: 'create: all VMs of a fleet file' },
    parallel: { type: 'integer', value: 'N', default: 2, help: 'create: how many VMs at the same time' },
    apply: { type: 'boolean', help: 'create: makes and boots it; without, it is reserved only' },
    rollback: { type: 'boolean', help: 'create: gives all up again when a step before the boot fails' },
    mock: { type: 'boolean', help: 'create: shows what would be made; writes nothing, needs no credentials' },
    phase: {
      type: 'string',
      value: 'PHASE',
      choices: ['reserved', 'created', 'minted', 'active', 'suspended', 'destroyed'],
      help: 'list: only those that are active, suspended, ...',
    },
    outdated: { type: 'boolean', help: 'list: only those on a version that is not current, or revoked' },
    days: { type: 'integer', value: 'N', help: 'extend, resume: by how many days' },
    yes: { type: 'boolean', help: 'rebuild, destroy: without asking' },
  },
  positionals: 1000,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain', 'many'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/vm.mts create web-1 --no-web3 --cpu 2 --memory 2048 --apply',
  async run(args, signal) {
    const { vmCommand, vmVerbs } = await import('./lib/vm/life/command.mts')
    const verb = verbOf({ name }, args, vmVerbs)
    return printAnswer(args, await vmCommand(verb, args, signal))
  },
})
