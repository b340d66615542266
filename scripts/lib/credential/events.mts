import { setTimeout as sleep } from 'node:timers/promises'
import { readTransfers, type TokenEvent } from '../chain/transfers.mts'
import { exitCodes } from '../run/errors.mts'
import { printJson, printText } from '../run/print.mts'
import { formatTable } from '../run/table.mts'
import { withRegistry } from '../site/open-registry.mts'
import { openSite, type Site } from '../site/site.mts'
import { type ChainView, openChainView } from './chain-view.mts'

interface EventsOptions {
  fromBlock: number | undefined
  follow: boolean
  json: boolean
}

/** An event and the VM that the token opens; null for none that is known. */
interface VmTokenEvent extends TokenEvent {
  vm: string | null
}

type EventsView = ChainView & { site: Site }

const USUAL_BLOCKS = 10_000
const POLL_MS = 2000

/** Prints events; with `follow` each as soon as it is certain, until somebody stops it. */
export async function eventsCommand(
  { fromBlock, follow, json }: EventsOptions,
  signal: AbortSignal,
): Promise<number> {
  const site = openSite()
  const view = { ...(await openChainView(site)), site }
  const head = await certainBlock(view)
  const first = fromBlock ?? Math.max(0, head - USUAL_BLOCKS + 1)
  const found = await eventsBetween(view, first, head)
  if (!follow) {
    if (json) printJson(found)
    else printText(formatEvents(found, first, head))
    return exitCodes.done
  }
  const print = (events: VmTokenEvent[]): void => {
    for (const event of events) {
      if (json) printJson(event, 0)
      else printText(lineOf(event))
    }
  }
  print(found)
  await followFrom(view, head + 1, print, signal)
  return exitCodes.done
}

async function followFrom(
  view: EventsView,
  from: number,
  print: (events: VmTokenEvent[]) => void,
  signal: AbortSignal,
): Promise<void> {
  let next = from
  while (!signal.aborted) {
    const head = await certainBlock(view)
    if (head >= next) print(await eventsBetween(view, next, head))
    next = Math.max(next, head + 1)
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
}

/** The last block that has as many confirmations as mints wait for: what is in it stays. */
async function certainBlock({ rpc, web3 }: ChainView): Promise<number> {
  return Number(await rpc.call<string>('eth_blockNumber')) - web3.confirmations + 1
}

async function eventsBetween(
  { rpc, target, site }: EventsView,
  first: number,
  last: number,
): Promise<VmTokenEvent[]> {
  const vms = await vmsByToken(site, target.contract)
  const events: VmTokenEvent[] = []
  for await (const event of readTransfers(rpc, target.contract, first, last)) {
    events.push({ ...event, vm: vms.get(event.tokenId) ?? null })
  }
  return events
}

/** Lists the names of living and destroyed VMs by token id. */
async function vmsByToken(site: Site, contract: string): Promise<Map<string, string>> {
  const [living, archived] = await withRegistry(site, 'events', store =>
    Promise.all([store.list(), store.listArchived()]),
  )
  const own = [...archived, ...living].filter(
    ({ token, design }) => token?.id != null && design?.access?.contract === contract,
  )
  return new Map(own.map(({ name, token }) => [token!.id!, name]))
}

function formatEvents(events: VmTokenEvent[], first: number, last: number): string {
  if (events.length === 0) return `no mint and no transfer in blocks ${first} to ${last}`
  const rows = events.map(event => [...cellsOf(event)])
  return formatTable(['block', 'event', 'token', 'VM', 'from', 'to'], rows)
}

function cellsOf({ block, kind, tokenId, vm, from, to }: VmTokenEvent): string[] {
  return [String(block), kind, tokenId, vm ?? '', from ?? '', to]
}

function lineOf(event: VmTokenEvent): string {
  return cellsOf(event)
    .map(cell => cell || '-')
    .join('  ')
}
