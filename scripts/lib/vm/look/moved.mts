import { type Entry, withEvent } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { say } from '../../run/progress.mts'
import type { LocatedVm } from './locate.mts'

/** The entry on the node its VM is on: a person may have migrated it, or high availability. */
export function onNodeOf(entry: Entry, vm: LocatedVm | undefined): Entry {
  return vm === undefined ? entry : { ...entry, node: vm.node }
}

/** Writes down that the VM of `before` was found on another node, after what is on its node followed it. */
export async function rememberNode(
  before: Entry,
  vm: LocatedVm | undefined,
  store: RegistryStore,
): Promise<void> {
  if (vm === undefined || vm.node === before.node) return
  const what = `moved from ${before.node} to ${vm.node}`
  say(`${before.name} ${what}`)
  await store.change(before.name, one => withEvent({ ...one, node: vm.node }, what, new Date()))
}
