/**
 * What a VM with libpam-web3 0.4 does at a login, written after the description of its protocol and sharing no code with
 * proxmint: a service that reads a wallet's tokens from the chain, and the module that asks it over a socket.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { AbiCoder, verifyMessage } from 'ethers'

const abi = AbiCoder.defaultAbiCoder()

interface Query {
  wallet_address: string
  contract_address: string
  chain_id: number
}

/** web3-auth: answers `get_nfts` with the token ids of a wallet. */
export async function openTokenService(socketPath: string, rpcUrl: string): Promise<Server> {
  const server = createServer(async socket => {
    const request = JSON.parse((await frameOf(socket)).toString()) as { method: string; params: Query }
    const answer =
      request.method === 'get_nfts'
        ? { success: true, token_ids: await tokenIds(rpcUrl, request.params) }
        : { success: false, error: 'unknown method' }
    socket.end(framed(answer))
  })
  server.listen(socketPath)
  await once(server, 'listening')
  return server
}

/** A big-endian length of four bytes, then JSON. */
function framed(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

/** The first message, as soon as all of it is there; neither side has to close for that. */
function frameOf(socket: Socket): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) resolve(bytes.subarray(4))
    })
  })
}

async function tokenIds(
  rpcUrl: string,
  { wallet_address: wallet, contract_address: to }: Query,
): Promise<string[]> {
  const call = async (selector: string, types: string[], values: unknown[]): Promise<string> => {
    const data = `0x${selector}${abi.encode(types, values).slice(2)}`
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_call',
      params: [{ to, data }, 'latest'],
    })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(rpcUrl, { method: 'POST', headers, body })
    return ((await response.json()) as { result: string }).result
  }
  const balance = Number(await call('70a08231', ['address'], [wallet]))
  const ids = Array.from({ length: balance }, (_, index) =>
    call('2f745c59', ['address', 'uint256'], [wallet, index]),
  )
  return Promise.all(ids)
}

export interface Machine {
  id: string
  /** `nft=0,,,`. */
  gecos: string
  socketPath: string
  chainId: number
  contract: string
  otpTtlSeconds: number
}

/** Whether the module lets somebody in who answers the code it showed at `shownAt` with this signature. */
export async function opens(
  machine: Machine,
  code: string,
  shownAt: number,
  signature: string,
): Promise<boolean> {
  if (Date.now() - shownAt > machine.otpTtlSeconds * 1000) return false
  const wallet = verifyMessage(`Authenticate to ${machine.id} with code: ${code}`, signature)
  const wanted = /^nft=(\d+)$/.exec(machine.gecos.split(',')[0]!)?.[1]
  if (wanted === undefined) return false
  const socket = connect(machine.socketPath)
  const params: Query = {
    wallet_address: wallet,
    contract_address: machine.contract,
    chain_id: machine.chainId,
  }
  socket.write(framed({ method: 'get_nfts', params }))
  const { token_ids: held } = JSON.parse((await frameOf(socket)).toString()) as { token_ids: string[] }
  socket.destroy()
  return held.some(id => BigInt(id) === BigInt(wanted))
}
