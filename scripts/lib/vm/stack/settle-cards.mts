/** Writes down what is gone of the cards of a VM: addresses that it has no more are free again. */
import { formatAddress, parseAddress } from '../../config/addresses.mts'
import { getGuestAddresses } from '../../proxmox/get-guest-addresses.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { type Entry, withEvent } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { addressesIn } from '../look/config-addresses.mts'
import type { LocatedVm } from '../look/locate.mts'

/**
 * Frees the addresses that the VM is to have no more and that neither its config nor its guest has. A guest whose agent
 * is silent keeps them.
 * @param hasSeed whether the seed of the VM follows from its entry: a seed ISO may still have the addresses of before.
 */
export async function settleCards(
  entry: Entry,
  vm: Pick<LocatedVm, 'node' | 'vmid' | 'status'>,
  { client }: Pick<Connection, 'client'>,
  store: Pick<RegistryStore, 'change'>,
  hasSeed: boolean,
): Promise<void> {
  const leaving = (entry.addresses ?? []).filter(one => one.leaving).map(({ address }) => address)
  const { made, cards } = entry.design ?? {}
  if (leaving.length === 0 && !made?.some(slot => isBeyond(slot, cards))) return
  const config = await getVmConfig(client, vm)
  const isUnknown = !hasSeed && entry.design?.cloudInit.delivery === 'iso' && vm.status !== 'running'
  const inUse = isUnknown ? undefined : await addressesInUse(vm, config, { client })
  const gone = inUse === undefined ? [] : leaving.filter(address => !inUse.has(address))
  const slots = made?.filter(slot => !isBeyond(slot, cards) || config[slot] !== undefined)
  if (gone.length === 0 && slots?.length === made?.length) return
  if (gone.length > 0) say(`${entry.name}: free again: ${gone.join(', ')}`)
  await store.change(entry, one => {
    const settled = {
      ...one,
      ...(one.addresses && { addresses: one.addresses.filter(({ address }) => !gone.includes(address)) }),
      design: one.design && { ...one.design, ...(slots && { made: slots }) },
    }
    return gone.length === 0 ? settled : withEvent(settled, `gave up ${gone.join(', ')}`, new Date())
  })
}

/** Whether a slot is that of a card that the design has no more. */
function isBeyond(slot: string, cards: readonly unknown[] | undefined): boolean {
  const number = /^net(\d+)$/.exec(slot)?.[1]
  return cards !== undefined && number !== undefined && Number(number) >= cards.length
}

/** @returns undefined if the guest runs and does not tell. */
async function addressesInUse(
  vm: Pick<LocatedVm, 'node' | 'vmid' | 'status'>,
  config: VmConfig,
  { client }: Pick<Connection, 'client'>,
): Promise<Set<string> | undefined> {
  const configured = addressesIn(config)
  if (vm.status !== 'running') return new Set(configured)
  const interfaces = await getGuestAddresses(client, vm)
  if (interfaces === undefined) return undefined
  const reported = interfaces.flatMap(one => one.addresses.map(text => parseAddress(text.split('/')[0]!)))
  return new Set([...configured, ...reported.flatMap(one => (one === undefined ? [] : formatAddress(one)))])
}
