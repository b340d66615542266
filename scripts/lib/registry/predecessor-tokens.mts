/** Tokens in a `vms.json`: in `nft_tokens`, in `reserved_nft_tokens` of the successor, or in the VM itself. */
import type { TokenRecord } from './entry.mts'

export interface TokenMaps {
  nft_tokens?: unknown
  reserved_nft_tokens?: unknown
}

/** Token in a VM of the file. */
export interface TokenOfVm {
  nft_token_id?: unknown
  nft_minted?: unknown
}

/** A token by its id in the file. */
interface FileToken {
  id: string
  vm: unknown
  status: unknown
}

function tokensIn({ nft_tokens: old, reserved_nft_tokens: newer }: TokenMaps): FileToken[] {
  return [old, newer].flatMap(map =>
    Object.entries((map ?? {}) as Record<string, { vm_name?: unknown; status?: unknown } | null>).map(
      ([id, token]) => ({ id, vm: token?.vm_name, status: token?.status }),
    ),
  )
}

/**
 * Token of a VM. Both programs guessed the id before the mint, so the id of a token that is not minted means nothing, and no
 * transaction proves one that is.
 * @returns the record, null without a token, or why nobody can tell which token it is.
 */
export function tokenOf(
  maps: TokenMaps,
  name: string,
  { nft_token_id: ownId, nft_minted: isMinted }: TokenOfVm,
): { token: TokenRecord | null } | { conflict: string } {
  const own =
    ownId == null ? [] : [{ id: String(ownId), vm: name, status: isMinted === true ? 'minted' : 'reserved' }]
  const tokens = [...tokensIn(maps).filter(({ vm }) => vm === name), ...own]
  const minted = [...new Set(tokens.filter(({ status }) => status === 'minted').map(({ id }) => id))]
  const open = [...new Set(tokens.filter(({ status }) => status !== 'failed').map(({ id }) => id))]
  const doubtful = minted.length > 0 ? minted : open
  if (doubtful.length > 1) return { conflict: `it has the tokens ${doubtful.join(' and ')}` }
  const [id] = minted
  if (id !== undefined && !/^\d+$/.test(id)) return { conflict: `its token id is ${id}` }
  if (id !== undefined) return { token: { status: 'minted', id, transaction: null } }
  if (tokens.length === 0) return { token: null }
  return { token: { status: open.length > 0 ? 'reserved' : 'failed', id: null, transaction: null } }
}

/** Lists tokens whose VM is not in the file, a sentence for each VM. */
export function tokensWithoutVm(maps: TokenMaps, vms: ReadonlySet<string>): string[] {
  const lost = tokensIn(maps).filter(({ vm }) => typeof vm === 'string' && !vms.has(vm))
  return [...Map.groupBy(lost, ({ vm }) => vm)].map(
    ([vm, tokens]) => `token ${tokens.map(({ id }) => id).join(', ')}: its VM ${vm} is not in the file`,
  )
}
