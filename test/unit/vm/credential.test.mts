/** What the life of a VM asks of the chain, with an issuer in memory in the place of one. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { AbiCoder, Wallet } from 'ethers'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import type { MintRequest } from '../../../scripts/lib/chain/mint.mts'
import { type ChainView, openChainView } from '../../../scripts/lib/credential/chain-view.mts'
import { type CredentialIssuer, issuers } from '../../../scripts/lib/credential/issuer.mts'
import { requireOwnToken } from '../../../scripts/lib/credential/vm-token.mts'
import type { AccessDesign, Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { mintForVm, signatureFrom, withUserSignature } from '../../../scripts/lib/vm/life/credential.mts'
import { extendVm, resumeVm } from '../../../scripts/lib/vm/life/expiry.mts'
import { isUnfinished, takeStep } from '../../../scripts/lib/vm/life/steps.mts'
import { expireToken } from '../../../scripts/lib/vm/life/token.mts'
import { decryptForUser } from '../chain/token-owner.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { fakeProxmox } from './fake-proxmox.mts'

const owner = new Wallet(`0x${'5'.repeat(64)}`)
const access: AccessDesign = {
  ...{ chainId: 31337, contract: '0x5FbDB2315678afecb367f032d93F642f64180aa3', rpcUrl: 'http://192.0.2.1/' },
  ...{ signingPagePort: 8080, otpLength: 6, otpTtlSeconds: 300, mintLater: false },
  ...{ decryptMessage: 'libpam-web3:text', userEncrypted: '0x' },
}
const design = { access, cloudInit: { username: 'admin' } } as VmDesign

const vm = (changes: Partial<Entry> = {}): Entry =>
  entry('web-1', { node: 'pve', vmid: 100, owner: owner.address, phase: 'created', design, ...changes })

let store: RegistryStore
let context: VmContext
let minted: MintRequest[]
let told: [string, number][]
/** What the chain answers instead. */
let chainFault: Error | undefined

const issuer: CredentialIssuer = {
  view: {} as ChainView,
  rehearse: async () => undefined,
  async mint(request) {
    if (chainFault) throw chainFault
    minted.push(request)
    const at = { transactionHash: '0xabc', blockNumber: 1, gasUsed: '1', contract: access.contract }
    return { ...request, tokenId: '0', ...at }
  },
  async setExpiry(tokenId, expiresAt) {
    if (chainFault) throw chainFault
    told.push([tokenId, expiresAt])
    return true
  },
  encryptForOwner: async () => undefined,
}

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  minted = []
  told = []
  chainFault = undefined
  const config = { name: 'web-1', description: descriptionOf(vm()), tags: 'proxmint-test' }
  const { connection } = fakeProxmox({ 100: { node: 'pve', status: 'stopped', config } })
  context = {
    store,
    connection,
    checks: connection,
    issuer: async () => issuer,
    signal: new AbortController().signal,
  }
})
afterEach(() => store.close())

const kept = async (one: Entry): Promise<Entry> => {
  await store.add([one], [])
  return one
}

describe('the step between creation and boot', () => {
  test('takes the id from the receipt; 0 is an id', async () => {
    const after = await takeStep(await kept(vm({ token: null })), context)
    expect(after).toMatchObject({
      phase: 'minted',
      token: { status: 'minted', id: '0', transaction: '0xabc' },
    })
    expect(minted).toMatchObject([{ wallet: owner.address, machineId: 'web-1', entryId: after.id }])
    expect(() => requireOwnToken(after)).not.toThrow()
  })

  test('defect of the predecessor: a failed mint exited 0; the VM stays off, and says why', async () => {
    chainFault = new ProxmintError('no RPC server of the chain answers')
    const one = await kept(vm())
    expect(await failureOf(() => takeStep(one, context))).toMatchObject({ message: chainFault.message })
    const after = (await store.find('web-1'))!
    expect(after).toMatchObject({
      phase: 'created',
      token: { status: 'failed', id: null },
      failure: { step: 'mint', why: 'no RPC server of the chain answers' },
    })
    expect(isUnfinished(after)).toBe(true)
  })

  test('defect of the predecessor: a VM booted with an id that was guessed', async () => {
    const guessed = vm({ phase: 'minted', token: { status: 'reserved', id: '7', transaction: null } })
    expect(await failureOf(async () => requireOwnToken(guessed))).toMatchObject({
      message: 'web-1 must not boot: its token is not minted',
    })
  })

  test('is left out for a VM without a wallet, and for one that is minted later', async () => {
    const without = vm({ design: { ...design, access: null } })
    const later = vm({ design: { ...design, access: { ...access, mintLater: true } } })
    for (const one of [without, later]) expect(() => requireOwnToken(one)).not.toThrow()
    expect(minted).toEqual([])
  })
})

describe('the expiry on the chain', () => {
  const active = vm({ phase: 'active', token: { status: 'minted', id: '0', transaction: '0xabc' } })

  test('follows an extension', async () => {
    await kept(active)
    const { expiresAt } = await extendVm('web-1', 10, context)
    expect(told).toEqual([['0', Math.floor(Date.parse(expiresAt!) / 1000)]])
  })

  test('is taken away where the VM is to live without an end, and comes back', async () => {
    await kept(active)
    expect(await extendVm('web-1', Number.POSITIVE_INFINITY, context)).toMatchObject({ expiresAt: null })
    const { expiresAt } = await extendVm('web-1', 10, context)
    expect(Date.parse(expiresAt!) - Date.now()).toBeLessThanOrEqual(10 * 86_400_000)
    expect(told).toEqual([
      ['0', 0],
      ['0', Math.floor(Date.parse(expiresAt!) / 1000)],
    ])
  })

  test('where the chain is silent the VM is extended all the same, and the failure says so', async () => {
    await kept(active)
    chainFault = new ProxmintError('no RPC server of the chain answers')
    const failure = await failureOf(() => extendVm('web-1', 10, context))
    expect(failure.message).toMatch(/^web-1 is extended until \S+, but the chain was not told: no RPC server/)
    expect(failure.hint).toContain('reconcile.mts --fix')
    expect(Date.parse((await store.find('web-1'))!.expiresAt!)).toBeGreaterThan(Date.parse(active.expiresAt!))
  })

  test('ends with the VM; never later than it was to', async () => {
    expect(await expireToken(active, context.issuer)).toMatchObject({ status: 'expired', id: '0' })
    expect(told).toEqual([['0', Math.floor(Date.parse(active.expiresAt!) / 1000)]])
    expect(await expireToken(vm({ token: null }), context.issuer)).toBeNull()
  })

  test('keeps nobody from destroying a VM', async () => {
    chainFault = new ProxmintError('no RPC server of the chain answers')
    expect(await expireToken(active, context.issuer)).toEqual(active.token)
  })
})

describe('a token that is minted already', () => {
  const coder = AbiCoder.defaultAbiCoder()
  const revert = { code: 3, message: 'execution reverted' }
  let questions: string[] = []

  /** Puts a chain in the config whose contract has token 0, or answers with this fault when asked for its owner. */
  async function chainThatSays(fault?: object): Promise<void> {
    questions = []
    const answers: Record<string, object> = {
      owner: { result: coder.encode(['address'], [owner.address]) },
      ownerOf:
        fault === undefined ? { result: coder.encode(['address'], [owner.address]) } : { error: fault },
      totalSupply: { result: coder.encode(['uint256'], [0]) },
      getAccessData: { result: coder.encode(['bytes', 'string', 'uint256', 'uint256'], ['0x', '', 0, 0]) },
    }
    const server = createServer(async (request, response) => {
      let text = ''
      for await (const chunk of request) text += chunk
      const { method, params } = JSON.parse(text) as { method: string; params: { data: string }[] }
      const asked = method === 'eth_call' ? credentialInterface.parseTransaction(params[0]!)!.name : ''
      questions.push(asked)
      const plain = { result: method === 'eth_chainId' ? '0x7a69' : '0x60' }
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...(answers[asked] ?? plain) }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const file = join(await temporaryFolder(), 'web3.yaml')
    await writeFile(file, 'chain_id: 31337\nprofile: v0.4\n')
    vi.stubEnv('PROXMINT_WEB3', file)
    vi.stubEnv('PROXMINT_RPC_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    context.issuer = async place => ({ ...issuer, view: await openChainView(openSite(), place) })
    onTestFinished(() => {
      vi.unstubAllEnvs()
      server.closeAllConnections()
      server.close()
    })
  }

  const opened = vm({ phase: 'active', token: { status: 'minted', id: '0', transaction: '0xabc' } })

  test('is not minted again', async () => {
    await chainThatSays()
    expect(await mintForVm((await kept(opened)).name, context)).toEqual(opened)
    expect(minted).toEqual([])
  })

  test('is read by an issuer that opens its contract once, and without a key', async () => {
    await chainThatSays()
    const open = issuers(openSite(), context.signal)
    const place = { chainId: access.chainId, contract: access.contract }
    const issuerOfPlace = await open(place)
    expect(await open({ ...place })).toBe(issuerOfPlace)
    expect(await mintForVm((await kept(opened)).name, { ...context, issuer: open })).toEqual(opened)
    expect(questions.filter(question => question === 'owner')).toHaveLength(1)
    await expect(issuerOfPlace.setExpiry('0', 1)).rejects.toThrow("no signer's key is configured")
  })

  test('and that the chain does not have is told, and what to do', async () => {
    await chainThatSays(revert)
    expect(await failureOf(async () => mintForVm((await kept(opened)).name, context))).toMatchObject({
      message: 'token 0 of web-1 is in the registry, and not on chain 31337',
      facts: { contract: access.contract },
      hint: expect.stringContaining('zx scripts/vm.mts destroy web-1'),
    })
  })

  test('is not called missing where the server has no answer', async () => {
    await chainThatSays({ code: -32005, message: 'limit exceeded' })
    expect(await failureOf(async () => mintForVm((await kept(opened)).name, context))).toMatchObject({
      message: 'the RPC server refuses eth_call: limit exceeded',
    })
  })
})

test('a VM that runs is not rebooted for its token unless somebody agreed to that: nothing is minted', async () => {
  await kept(vm({ phase: 'active', design: { ...design, access: { ...access, mintLater: true } } }))
  expect(await failureOf(() => mintForVm('web-1', context))).toMatchObject({
    message: 'web-1 was not changed: nobody agreed to a reboot (token none -> its own)',
    hint: 'to agree: zx scripts/mint.mts --vm web-1 --allow reboot',
    exitCode: 3,
  })
  expect(minted).toEqual([])
  expect(await store.find('web-1')).toMatchObject({ failure: null })
})

describe('how to go on is said', () => {
  test('of a VM that runs, and whose mint failed', async () => {
    chainFault = new ProxmintError('the chain is away')
    const open = { ...design, access: { ...access, mintLater: true } }
    await kept(vm({ phase: 'active', design: open }))
    const allowed = new Set(['reboot'] as const)
    const { hint } = await failureOf(() => mintForVm('web-1', { ...context, allowed }))
    expect(hint).toContain('to go on: zx scripts/mint.mts --vm web-1 --allow reboot;')
  })

  test('of a VM whose resume failed', async () => {
    await kept(vm({ phase: 'suspended', design: null }))
    const { hint } = await failureOf(() => resumeVm('web-1', 30, context))
    expect(hint).toContain('to go on: zx scripts/vm.mts resume web-1;')
  })
})

describe('what is encrypted for the owner', () => {
  test('is read with the very signature, and names address and account', async () => {
    const signature = await owner.signMessage(access.decryptMessage)
    const { design: signed } = withUserSignature(vm({ address: '192.0.2.7' }), signature)
    const bytes = Buffer.from(signed!.access!.userEncrypted.slice(2), 'hex')
    expect(JSON.parse(decryptForUser(signature, bytes))).toEqual({
      hostname: '192.0.2.7',
      port: 22,
      username: 'admin',
    })
  })

  test('is refused with a signature of somebody else, or of another text', async () => {
    const others = await new Wallet(`0x${'6'.repeat(64)}`).signMessage(access.decryptMessage)
    const another = await owner.signMessage('another text')
    for (const signature of [others, another, `0x${'0'.repeat(130)}`]) {
      expect(await failureOf(async () => withUserSignature(vm(), signature))).toMatchObject({ exitCode: 2 })
    }
  })

  test.each(['0x12', 'no-such-file', '/dev/null'])('%s is no signature', async text => {
    expect(await failureOf(() => signatureFrom(text))).toMatchObject({ exitCode: 2 })
  })
})
