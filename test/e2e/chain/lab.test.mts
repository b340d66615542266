import { resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createLab, type LabOptions } from '../../../lab/create.mts'

const repository = resolve(import.meta.dirname, '../../..')
const mint = ['scripts/mint.mts', '--owner-wallet', '0x70997970C51812dc3A010C7d01b50e0d17dc79C8']

test.each<NonNullable<LabOptions['isolation']>>(['auto', 'loopback'])(
  'a lab with a chain (%s) mints inside it, and its chain is reached from outside',
  async isolation => {
    const lab = await createLab({ guests: 'none', timeScale: 0, chain: true, isolation })
    onTestFinished(() => lab.close())
    const env = { PROXMINT_STATE_DIR: resolve(lab.chain!.configFile, '../state') }
    const inside = await lab.exec([process.execPath, ...mint, '--machine-id', 'web-1', '--json'], {
      cwd: repository,
      env,
    })
    expect(inside).toMatchObject({ code: 0 })
    expect(JSON.parse(inside.stdout)).toMatchObject({ tokenId: '0', contract: lab.chain!.contract })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] })
    const headers = { 'content-type': 'application/json' }
    const outside = await fetch(lab.chain!.rpcUrl, { method: 'POST', headers, body })
    expect(await outside.json()).toMatchObject({ result: '0x7a69' })
    await lab.close()
    await expect(fetch(lab.chain!.rpcUrl)).rejects.toThrow('fetch failed')
  },
)
