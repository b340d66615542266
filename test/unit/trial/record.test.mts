import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { withLock } from '../../../scripts/lib/run/lock.mts'
import { signalGroup } from '../../../scripts/lib/run/process.mts'
import { removePool } from '../../../scripts/lib/trial/clean.mts'
import { endCommand, planCommand, type Running } from '../../../scripts/lib/trial/command.mts'
import {
  beginRecord,
  readRecord,
  requireEnded,
  requireProxmoxOf,
  type TrialRecord,
  trialFolder,
} from '../../../scripts/lib/trial/record.mts'
import { makePool } from '../../../scripts/lib/trial/steps.mts'
import { temporaryFolder } from '../temporary.mts'

test('a trial is cleaned up in the Proxmox that it was made in, and in no other', async () => {
  const folder = await temporaryFolder()
  const plan = { id: 'ab12cd' } as Parameters<typeof beginRecord>[1]
  await beginRecord(folder, plan, 'https://pve.example.org:8006/api2/json')
  const record = (await readRecord(folder))!
  requireProxmoxOf(record, folder, 'https://pve.example.org:8006/')
  expect(() => requireProxmoxOf(record, folder, 'https://other.example.org:8006/api2/json')).toThrow(
    'made in another Proxmox',
  )
})

const plan = { id: 'ab12cd', resourcePool: 'proxmint-trial-ab12cd' } as Parameters<typeof beginRecord>[1]
const begun = async (folder: string) => beginRecord(folder, plan, 'https://pve:8006/api2/json')

/** A process whose command line has the name of a script. */
async function aProcess(script: string, body: string): Promise<ChildProcess> {
  const file = join(await temporaryFolder(), script)
  await writeFile(file, `${body}; console.log('ready')`)
  const child = spawn(process.execPath, [file], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  return child
}

describe('a trial runs', () => {
  test('as long as its process, on the machine of that name', async () => {
    const folder = await temporaryFolder()
    const record = await begun(folder)
    await requireEnded(record, folder)
    const { pid } = await aProcess('trial.mts', 'setInterval(() => {}, 1000)')
    await expect(requireEnded({ ...record, pid: pid! }, folder)).rejects.toMatchObject({
      message: 'a trial is running',
      exitCode: 5,
    })
  })

  test('as long as it holds its lock, where the machine has another name', async () => {
    const folder = await temporaryFolder()
    const record = { ...(await begun(folder)), host: `not-${hostname()}` }
    await requireEnded(record, folder)
    await withLock({ path: trialFolder(folder), purpose: 'trial' }, async () => {
      await expect(requireEnded(record, folder)).rejects.toMatchObject({ exitCode: 5 })
    })
    await requireEnded(record, folder)
  })
})

describe('a resource pool of the name that a trial takes', () => {
  /** Proxmox with the pools of that name. */
  function clientWith(pools: Set<string>): ProxmoxClient {
    const request = async (method: string, path: string, parameters: { poolid?: string } = {}) => {
      const { poolid = decodeURIComponent(path.split('/').at(-1)!) } = parameters
      if (method === 'DELETE') return void pools.delete(poolid)
      if (pools.has(poolid)) throw new Error(`pool '${poolid}' already exists`)
      pools.add(poolid)
    }
    return { request } as unknown as ProxmoxClient
  }

  const started = async (): Promise<Running> => {
    const stateDir = await temporaryFolder()
    return { stateDir, record: await begun(stateDir), signal: new AbortController().signal }
  }

  test('is removed if the trial made it, also if it was killed just then', async () => {
    const [pools, running] = [new Set<string>(), await started()]
    await makePool(clientWith(pools), plan.resourcePool!, running)
    await removePool({ client: clientWith(pools) }, (await readRecord(running.stateDir))!)
    expect(pools.size).toBe(0)
  })

  test('stays if somebody else made it', async () => {
    const [pools, running] = [new Set([plan.resourcePool!]), await started()]
    const client = clientWith(pools)
    await removePool({ client }, running.record)
    await expect(makePool(client, plan.resourcePool!, running)).rejects.toThrow('already exists')
    await removePool({ client }, (await readRecord(running.stateDir))!)
    expect([...pools]).toEqual([plan.resourcePool])
  })
})

describe('a command of a trial', () => {
  test('that ends while it is looked for is no failure', async () => {
    const child = await aProcess(
      'vm.mts',
      "process.on('SIGINT', () => process.exit(0)); setInterval(() => {}, 1000)",
    )
    const record = { command: { pid: child.pid!, script: 'vm.mts' } } as TrialRecord
    const ended = once(child, 'exit')
    await endCommand(record)
    await ended
    await endCommand(record)
    expect(signalGroup(child.pid!, 'SIGINT')).toBe(false)
  })

  test('warns of no variable of which the trial has warned', () => {
    const env = { TF_LOG: 'debug', PACKER_LOG: '1', TF_PLUGIN_CACHE_DIR: '/tmp/x', PATH: '/bin' }
    const { env: changes } = planCommand(['vm', 'list'], env)
    expect(Object.keys(changes!).filter(name => /^(TF|PACKER)_/.test(name))).toEqual(['TF_LOG', 'PACKER_LOG'])
    expect(changes).toMatchObject({ TF_LOG: undefined, PACKER_LOG: undefined })
  })
})
