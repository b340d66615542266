/** The verb `vm adopt`. */
import { expiryDay } from '../../registry/due.mts'
import type { Answer } from '../../run/answer.mts'
import { type Arguments, usageError } from '../../run/command-line.mts'
import { exitCodes } from '../../run/errors.mts'
import { formatTable } from '../../run/table.mts'
import type { VmContext } from '../context.mts'
import { wishesOf } from '../plan/wishes.mts'
import { type Adopted, type AdoptRequest, adoptVms } from './adopt.mts'
import { adoptForeignVms } from './adopt-foreign.mts'

const command = { name: 'vm', verb: 'adopt' }

/** Adopts the VMs of the site, or those that are named. */
export async function adoptCommand(args: Arguments, context: VmContext): Promise<Answer> {
  const request = requestOf(args)
  const vmids = await vmidsOf(request, context)
  const adopted = await (vmids === undefined
    ? adoptVms(request, context)
    : adoptForeignVms(vmids, request, context))
  const failed = adopted.some(({ did, stateFault }) => did === 'refused' || stateFault !== undefined)
  return {
    document: adopted,
    text: vmids === undefined ? formatAdopted(adopted, request.apply) : formatForeign(adopted, request.apply),
    exitCode: failed ? exitCodes.partial : exitCodes.done,
  }
}

/** @throws ProxmintError (usage) for options that contradict each other. */
function requestOf(args: Arguments): AdoptRequest {
  const names = [...new Set(args.positionals.slice(1))]
  if (args.flag('site') === names.length > 0) throw usageError(command, 'give names, or --site for all')
  const wishes = wishesOf(args)
  const tokenId = args.string('token-id')
  if (tokenId !== undefined && !/^\d+$/.test(tokenId)) {
    throw usageError(command, `--token-id ${tokenId} is not a token id`)
  }
  if ((tokenId === undefined) !== (wishes.owner === undefined)) {
    throw usageError(command, '--owner-wallet and --token-id belong together')
  }
  if (names.length !== 1 && (tokenId ?? wishes.address) !== undefined) {
    throw usageError(command, '--ip, --owner-wallet and --token-id are for one VM')
  }
  return { names, wishes, tokenId, apply: args.flag('apply') }
}

/**
 * Reads names that are numbers as VMIDs of VMs that proxmint did not make.
 * @returns undefined if the VMs are named.
 * @throws ProxmintError (usage) for names and VMIDs together, and for options that only VMs of this site have.
 */
async function vmidsOf(
  { names, wishes, tokenId }: AdoptRequest,
  { store }: VmContext,
): Promise<number[] | undefined> {
  const known = new Set((await store.list()).map(({ name }) => name))
  const vmids = names.filter(name => /^[1-9]\d{2,8}$/.test(name) && !known.has(name))
  if (vmids.length === 0) return undefined
  if (vmids.length < names.length)
    throw usageError(command, 'give names, or VMIDs of VMs that proxmint did not make')
  const { template, cloudInitTemplate, username, owner } = wishes
  const told = [template, cloudInitTemplate, username, owner, tokenId].some(value => value !== undefined)
  if (told) throw usageError(command, 'a VM that proxmint did not make takes --ip and --expiry-days alone')
  return vmids.map(Number)
}

function formatForeign(adopted: Adopted[], applied: boolean): string {
  const rows = adopted.map(one => [one.name, String(one.vmid), ...cellsOf(one)])
  const table = formatTable(['name', 'VMID', 'phase', 'address', 'expires', 'result'], rows)
  const notes = adopted.flatMap(notesOf)
  const next = applied
    ? 'Each VM has the line "In the registry of proxmint." at the end of its notes, and is unchanged otherwise.'
    : 'Nothing was written. With --apply: an entry in the registry, and a line "In the registry of proxmint. Entry ID." at the ' +
      'end of the notes in Proxmox. Nothing else of the VM is changed, and Terraform does not know it.'
  return [table, ...(notes.length > 0 ? [notes.join('\n')] : []), next].join('\n\n')
}

function formatAdopted(adopted: Adopted[], applied: boolean): string {
  if (adopted.length === 0) return 'the registry has all VMs of this site'
  const rows = adopted.map(one => [one.name, String(one.vmid), ...cellsOf(one)])
  const table = formatTable(['name', 'VMID', 'phase', 'address', 'expires', 'result'], rows)
  const notes = adopted.flatMap(notesOf)
  const next = applied
    ? 'Nothing in Proxmox was changed.'
    : `Nothing was written. To adopt them: the same with --apply.${isKnown(adopted) ? '' : LATER}`
  return [table, ...(notes.length > 0 ? [notes.join('\n')] : []), next].join('\n\n')
}

const LATER = ' Family and token can be given later, too: zx scripts/vm.mts adopt NAME --template OS --apply.'

function isKnown(adopted: Adopted[]): boolean {
  return adopted.every(({ assumed }) => assumed.length === 0)
}

function cellsOf({ entry, did, stateFault }: Adopted): string[] {
  if (entry === undefined) return ['', '', '', 'left alone']
  const result = { planned: 'would be adopted', adopted: 'adopted', refused: 'left alone' }[did]
  const state = stateFault === undefined ? result : `${result}, without a state`
  return [entry.phase, entry.address, expiryDay(entry), state]
}

function notesOf({ name, faults, assumed, stateFault, plan }: Adopted): string[] {
  return [
    ...faults.map(fault => `${name}: ${fault}`),
    ...(assumed.length > 0 ? [`${name}: not known is ${assumed.join('; ')}`] : []),
    ...(stateFault === undefined
      ? []
      : [`${name}: its state could not be read: ${firstWords(stateFault)}; \`apply\` refuses it`]),
    ...(plan === undefined
      ? []
      : [`${name}: \`apply\` would change it: zx scripts/apply.mts ${name} --plan-only`]),
  ]
}

/** First line of a message, or two if the first one ends with a colon. */
function firstWords(message: string): string {
  const [first = '', second = ''] = message.split('\n')
  return first.endsWith(':') ? `${first} ${second.trim()}` : first
}
