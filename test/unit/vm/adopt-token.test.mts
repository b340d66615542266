/** `vm adopt` with a token that a chain has: over HTTP, with a chain in memory. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { AbiCoder } from 'ethers'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { adoptVms } from '../../../scripts/lib/vm/life/adopt.mts'
import { walletTag } from '../../../scripts/lib/vm/plan/design.mts'
import { wishesOf } from '../../../scripts/lib/vm/plan/wishes.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeProxmox, fakeProxmox } from './fake-proxmox.mts'

const wallet = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const other = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const contract = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const expiresAt = Date.parse('2027-03-01T00:00:00.000Z') / 1000

const coder = AbiCoder.defaultAbiCoder()

async function chainWithToken(owner: string): Promise<void> {
  const answers: Record<string, string> = {
    owner: coder.encode(['address'], [owner]),
    ownerOf: coder.encode(['address'], [owner]),
    getAccessData: coder.encode(['bytes', 'string', 'uint256', 'uint256'], ['0x12', 'sign me', 0, expiresAt]),
  }
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const { method, params } = JSON.parse(text) as { method: string; params: { data: string }[] }
    const asked = method === 'eth_call' ? credentialInterface.parseTransaction(params[0]!)!.name : ''
    const result = answers[asked] ?? (method === 'eth_chainId' ? '0x7a69' : '0x60')
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const file = join(await temporaryFolder(), 'web3.yaml')
  await writeFile(
    file,
    `chain_id: 31337\nprofile: v0.4\nnft_contract: "${contract}"\nrpc_url: ["${url}"]\nguest_rpc_url: ${url}\n`,
  )
  vi.stubEnv('PROXMINT_WEB3', file)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    server.closeAllConnections()
    server.close()
  })
}

let context: VmContext
let proxmox: FakeProxmox

beforeEach(async () => {
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  const config = {
    name: 'web-1',
    description: 'Made by proxmint. Entry ea5cb9e1-6994-4503-a376-48b892b46c8b.',
    tags: `proxmint-test;${walletTag(wallet)}`,
    ipconfig0: 'ip=192.168.122.205/24',
  }
  proxmox = fakeProxmox({ 100: { node: 'pve', status: 'stopped', config } })
  const { connection } = proxmox
  context = { store, connection, checks: connection } as unknown as VmContext
})

const spec = {
  ...{ name: 'vm', summary: '', usage: '', positionals: 0, uses: [], writes: [], example: '' },
  options: createFlags(),
}
const request = (options: string[]) => ({
  ...{ names: ['web-1'], wishes: wishesOf(parseArguments(spec, options)) },
  ...{ tokenId: undefined as string | undefined, apply: false },
})

function adopting(owner: string) {
  return adoptVms({ ...request(['--owner-wallet', owner]), tokenId: '7' }, context)
}

test('owner, expiry and the text to sign are those of the chain', async () => {
  await chainWithToken(wallet)
  expect(await adopting(wallet)).toMatchObject([
    {
      did: 'planned',
      entry: {
        ...{ owner: wallet, expiresAt: '2027-03-01T00:00:00.000Z', phase: 'suspended' },
        token: { status: 'minted', id: '7' },
        design: { access: { contract, decryptMessage: 'sign me', userEncrypted: '0x12' } },
      },
    },
  ])
})

test('a token of another wallet is not taken for the one of the VM', async () => {
  await chainWithToken(other)
  expect(await adopting(wallet)).toMatchObject([
    { did: 'refused', faults: [`its tags are not those of the wallet ${other}`] },
  ])
})

test('options for a VM that the registry has already are refused, each by its name', async () => {
  await context.store.add([entry('web-1', { vmid: 100, template: null })], [])
  const given = ['--template', 'debian', '--cloud-init', 'minimal', '--expiry-days', '90']
  await expect(adoptVms({ ...request(given), tokenId: '7' }, context)).rejects.toMatchObject({
    message:
      'web-1 is in the registry already, without this: --template, --cloud-init, --expiry-days, --token-id',
    exitCode: 2,
  })
  expect(await adoptVms(request([]), context)).toMatchObject([{ name: 'web-1', did: 'planned' }])
})

describe('a VM that was adopted without its family and its token', () => {
  const apply = { ...request([]), apply: true }

  beforeEach(async () => {
    expect(await adoptVms(apply, context)).toMatchObject([{ did: 'adopted', entry: { design: null } }])
  })

  test('is completed by the options, and only by these', async () => {
    await adoptVms({ ...apply, wishes: request(['--template', 'debian']).wishes }, context)
    const before = await context.store.find('web-1')
    expect(before).toMatchObject({ template: { family: 'debian' }, token: null, design: null })
    await chainWithToken(wallet)
    const { wishes } = request(['--owner-wallet', wallet])
    // Its state is read by Terraform, which is not here.
    expect(await adoptVms({ ...apply, wishes, tokenId: '7' }, context)).toMatchObject([
      { did: 'adopted', stateFault: expect.anything() },
    ])
    expect(await context.store.find('web-1')).toMatchObject({
      ...{ id: before!.id, createdAt: before!.createdAt, address: before!.address, phase: 'suspended' },
      ...{ template: { family: 'debian' }, owner: wallet, expiresAt: '2027-03-01T00:00:00.000Z' },
      token: { id: '7', status: 'minted' },
      design: { access: { contract } },
    })
  })

  test('is not completed by the token of another wallet, and says so', async () => {
    await chainWithToken(other)
    const { wishes } = request(['--owner-wallet', other])
    await expect(adoptVms({ ...apply, wishes, tokenId: '7' }, context)).rejects.toMatchObject({
      message: `the entry of web-1 cannot be completed from VM 100: its tags are not those of the wallet ${other}`,
    })
  })

  test('is found on the node that it was moved to', async () => {
    proxmox.vms.get(100)!.node = 'pve2'
    await adoptVms({ ...apply, wishes: request(['--template', 'debian']).wishes }, context)
    expect(await context.store.find('web-1')).toMatchObject({ node: 'pve2', template: { family: 'debian' } })
  })

  test('is completed by no other VM that has its VMID, and by none that is gone', async () => {
    const completing = { ...apply, wishes: request(['--template', 'debian']).wishes }
    proxmox.vms.get(100)!.config['description'] = 'somebody else'
    await expect(adoptVms(completing, context)).rejects.toThrow('VM 100 is not web-1')
    proxmox.vms.delete(100)
    await expect(adoptVms(completing, context)).rejects.toThrow('is not in Proxmox any more')
    expect(await context.store.find('web-1')).toMatchObject({ template: null })
  })

  test('keeps what it has: another family, another token or another size is refused', async () => {
    await adoptVms({ ...apply, wishes: request(['--template', 'debian']).wishes }, context)
    const other = request(['--template', 'ubuntu', '--memory', '4096'])
    await expect(adoptVms(other, context)).rejects.toMatchObject({
      message: 'web-1 is in the registry already, without this: --template, --memory',
      hint: expect.stringContaining('--owner-wallet with --token-id'),
    })
  })
})
