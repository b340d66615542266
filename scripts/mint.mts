import { printAnswer } from './lib/run/answer.mts'
import { usageError } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'
import { allowOption } from './lib/vm/allow.mts'

const name = 'mint'

await runMain({
  name,
  summary:
    'Mints one access credential: a token that opens one machine for one wallet. A machine id gets only one token.',
  usage: '--owner-wallet ADDRESS --machine-id NAME | --vm NAME | --update NAME --user-signature HEX|FILE',
  options: {
    'owner-wallet': {
      type: 'string',
      value: 'ADDRESS',
      help: 'owner of the token, with the checksum of EIP-55',
    },
    'machine-id': { type: 'string', value: 'NAME', help: 'machine that the token opens' },
    'expiry-days': { type: 'integer', value: 'N', help: 'expiry in the token; default: never' },
    vm: { type: 'string', value: 'NAME', help: 'mint the missing token of a VM, and give the VM its id' },
    allow: allowOption('with --vm: the reboot by which a VM that runs gets the id', ['reboot']),
    update: { type: 'string', value: 'NAME', help: "encrypt the VM's address for the owner of its token" },
    'user-signature': {
      type: 'string',
      value: 'HEX|FILE',
      help: "update: the owner's signature of the token's decrypt message; - reads it from standard input",
    },
    'dry-run': { type: 'boolean', help: 'check everything and print the cost; sign nothing, need no key' },
  },
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/mint.mts --owner-wallet 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --machine-id nas-1',
  async run(args, signal) {
    if (args.string('vm') === undefined && args.strings('allow').length > 0) {
      throw usageError({ name }, '--allow goes with --vm: nothing else reboots a VM')
    }
    const vm = args.string('vm') ?? args.string('update')
    if (vm !== undefined) {
      const { mintVmCommand } = await import('./lib/vm/life/mint-command.mts')
      return printAnswer(args, await mintVmCommand(vm, args, signal))
    }
    const wallet = args.string('owner-wallet')
    const machineId = args.string('machine-id')
    if (wallet === undefined || machineId === undefined) {
      throw usageError({ name }, 'give --owner-wallet and --machine-id, or --vm, or --update')
    }
    const workflow = await import('./lib/credential/mint-command.mts')
    const request = workflow.mintRequest(
      wallet,
      machineId,
      args.integer('expiry-days', { min: 1, max: 36_500 }),
    )
    if (args.flag('dry-run')) {
      const plan = await workflow.planMint(request)
      return printAnswer(args, { document: plan, text: workflow.formatMintPlan(plan) })
    }
    const minted = await workflow.mintOne(request, signal)
    return printAnswer(args, { document: minted, text: workflow.formatMinted(minted) })
  },
})
