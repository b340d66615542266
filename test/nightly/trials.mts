/**
 * Trials of the promise that nothing is lost: random commands work on few VMs at once, while they are killed with -9,
 * paused, and overtaken by others, and while somebody takes their VMIDs. PROXMINT_TEST_TRIALS is the number of
 * interruptions for each store, PROXMINT_TEST_SEED repeats a sequence of commands.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import type { Entry } from '../../scripts/lib/registry/entry.mts'
import type { RegistryStore } from '../../scripts/lib/registry/store.mts'
import { changeEntry } from '../change-entry.mts'
import { rootClient, type Started } from '../e2e/workspace.mts'
import { randomFrom } from '../random.mts'

/** A store and what runs commands on it: each machine has a work tree of its own. */
export interface Arena {
  lab: Lab
  registry: RegistryStore
  /** Starts a command on any of the machines. */
  start(machine: number, name: string, args: string[]): Started
  /** Makes the locks of a paused run free, as they become when it stands still for long. */
  takeOver(run: Started): Promise<void>
  machines: number
  /** Makes a run lose its locks: the database ends a connection. Only for a store that has connections. */
  cut?(): Promise<void>
}

/** Counts for people. */
export interface Tally {
  commands: number
  killed: number
  paused: number
  /** Paused ones whose locks became free meanwhile. */
  overtaken: number
  cut: number
  strangers: number
  /** Commands by exit code; null for killed ones. */
  codes: Record<string, number>
}

interface Trials {
  arena: Arena
  random: () => number
  tally: Tally
  /** Config of each VM of somebody else, by its VMID. */
  strangers: Map<number, string>
  /** Ids of entries that a command acknowledged, by the words it was called with. */
  acknowledged: Map<string, string>
  /** Usual time of a command in milliseconds, by its verb: a moment to interrupt it is chosen within. */
  usual: Map<string, number>
}

const NAMES = ['web-0', 'web-1', 'web-2', 'web-3', 'web-4', 'web-5']
const RUNNERS = 4
/** Shorter than a lock lives without its holder: `takeOver` does what a longer pause does. */
const MOST_PAUSE_MS = 6_000
/** Before the first command of a kind has ended. */
const FIRST_DELAY_MS = 9_000

/** Runs commands until enough of them were interrupted, and lets the last ones end. */
export async function interrupt(arena: Arena, interruptions: number, seed: number): Promise<Trials> {
  const tally: Tally = { commands: 0, killed: 0, paused: 0, overtaken: 0, cut: 0, strangers: 0, codes: {} }
  const trials: Trials = {
    arena,
    random: randomFrom(seed),
    tally,
    strangers: new Map(),
    acknowledged: new Map(),
    usual: new Map(),
  }
  await addStranger(trials, 101)
  const runner = async (machine: number): Promise<void> => {
    while (tally.killed + tally.paused + tally.cut < interruptions) await runOne(trials, machine)
  }
  await Promise.all(Array.from({ length: RUNNERS }, (_, index) => runner(index % arena.machines)))
  return trials
}

async function runOne(trials: Trials, machine: number): Promise<void> {
  const { arena, random, tally } = trials
  const name = NAMES[Math.floor(random() * NAMES.length)]!
  const [command, args] = await choose(trials, name)
  const started = arena.start(machine, command, [...args, '--json'])
  tally.commands += 1
  const verb = `${command} ${args[0]}`
  const begin = performance.now()
  const disturbed = random() < 0.8 ? disturb(trials, started, verb) : undefined
  const ended = await started.ended
  await disturbed
  if (ended.code === 0) learn(trials, verb, performance.now() - begin)
  const code = String(ended.code)
  tally.codes[code] = (tally.codes[code] ?? 0) + 1
  judgeOutput([command, ...args].join(' '), ended)
  for (const id of idsIn(ended)) trials.acknowledged.set(id, [command, ...args].join(' '))
}

/** A command that was paused counts as well: the moments only have to lie all over a run. */
function learn({ usual }: Trials, verb: string, tookMs: number): void {
  const before = usual.get(verb) ?? tookMs
  usual.set(verb, 0.7 * before + 0.3 * tookMs)
}

async function choose(trials: Trials, name: string): Promise<[string, string[]]> {
  const dice = trials.random()
  if (dice < 0.4) return ['vm', ['create', name, '--apply', '--no-web3', '--no-login']]
  if (dice < 0.5) return ['apply', [name]]
  if (dice < 0.6) return ['vm', ['extend', name, '--days', '1']]
  if (dice < 0.85) return ['vm', ['destroy', name, '--yes']]
  if (dice < 0.9) await takeVmid(trials)
  else await expire(trials, name)
  return ['gc', ['--execute']]
}

/** Somebody makes a VM with the VMID that a VM of ours is about to get. */
async function takeVmid(trials: Trials): Promise<void> {
  const entries = await trials.arena.registry.list()
  const there = await vmidsOf(trials.arena.lab)
  const reserved = entries.find(({ phase, vmid }) => phase === 'reserved' && !there.includes(vmid))
  if (reserved !== undefined) await addStranger(trials, reserved.vmid).catch(() => undefined)
}

async function addStranger({ arena, strangers, tally }: Trials, vmid: number): Promise<void> {
  const client = rootClient(arena.lab)
  const settings = { vmid, name: `stranger-${vmid}`, memory: 64, cores: 1, scsi0: 'tank:1' }
  const upid = await client.request<string>('POST', '/nodes/pve/qemu', settings)
  await waitForTask(client, upid, { timeoutMs: 60_000 })
  strangers.set(vmid, await configText(arena.lab, vmid))
  tally.strangers += 1
}

const configText = async (lab: Lab, vmid: number): Promise<string> =>
  JSON.stringify(await getVmConfig(rootClient(lab), { node: 'pve', vmid }))

const vmidsOf = async (lab: Lab): Promise<number[]> =>
  (await listVms(rootClient(lab))).map(({ vmid }) => vmid).filter(vmid => vmid < 9000)

/** Its entry may be gone by then. */
const expire = ({ arena }: Trials, name: string): Promise<unknown> =>
  changeEntry(arena.registry, name, entry => ({
    ...entry,
    expiresAt: new Date(Date.now() - 60_000).toISOString(),
  })).catch(() => undefined)

/** Kills or pauses a command at a moment of its usual time, or makes it lose its locks. */
async function disturb({ arena, random, tally, usual }: Trials, run: Started, verb: string): Promise<void> {
  const [share, dice, pauseMs] = [random(), random(), random() * MOST_PAUSE_MS]
  const delayMs = share * (usual.get(verb) ?? FIRST_DELAY_MS)
  const isOver = await Promise.race([run.ended.then(() => true), sleep(delayMs).then(() => false)])
  if (isOver) return
  if (dice < 0.5) {
    run.signal('SIGKILL')
    tally.killed += 1
  } else if (dice < 0.6 && arena.cut !== undefined) {
    await arena.cut()
    tally.cut += 1
  } else {
    run.signal('SIGSTOP')
    tally.paused += 1
    try {
      if (dice > 0.75) {
        await arena.takeOver(run)
        tally.overtaken += 1
      }
      await sleep(pauseMs)
    } finally {
      run.signal('SIGCONT')
    }
  }
}

/** A failure is one of the documented ones, with its reason, and never a defect. */
function judgeOutput(words: string, { code, stdout, stderr }: ExecResult): void {
  expect([0, 1, 2, 3, 5, 7, null], `${words}: ${stderr}`).toContain(code)
  expect(stderr, words).not.toMatch(/defect of proxmint|TypeError|^\s+at .*\.mts:/m)
  if (code !== 0 && code !== null && stdout === '') expect(stderr, words).toContain('error:')
}

/** Ids of the entries in a document that a command printed. */
function idsIn({ code, stdout }: ExecResult): string[] {
  if (code !== 0 || stdout === '') return []
  return [...stdout.matchAll(/"id": "([0-9a-f-]{8,})"/g)].map(([, id]) => id!)
}

/** Checks what must hold whatever happened, then lets each VM be finished or given up, and destroys it. */
export async function judge(trials: Trials): Promise<void> {
  const { arena } = trials
  // What a killed run left goes on: OpenTofu has until then.
  await sleep(20_000)
  const { registry } = arena
  expect(await known(registry, trials)).toEqual([])
  for (const { name } of await registry.list()) await finish(arena, name)
  await expectUnique(arena, await registry.list())
  for (let machine = 0; machine < arena.machines; machine++) await expectAgreement(arena, machine)
  for (const { name } of await registry.list()) await succeed(arena, 'vm', ['destroy', name, '--yes'])
  expect((await vmidsOf(arena.lab)).sort(), 'only those of others are there').toEqual(
    [...trials.strangers.keys()].sort(),
  )
  for (const [vmid, before] of trials.strangers) expect(await configText(arena.lab, vmid)).toBe(before)
  expect(await userDataLeft(arena)).toEqual([])
}

/**
 * Checks that registry, folders and Proxmox agree. Of several machines each has folders of VMs that another one destroyed,
 * and nothing else that does not fit; they are removed first.
 */
async function expectAgreement({ machines, start }: Arena, machine: number): Promise<void> {
  if (machines > 1) {
    const { stdout, stderr } = await start(machine, 'reconcile', ['--fix', '--json']).ended
    const findings: { fix: string; fixed: boolean }[] = JSON.parse(stdout)
    const others = findings.filter(({ fix, fixed }) => fix !== 'remove the folder' || !fixed)
    expect(others, stderr).toEqual([])
  }
  const { stdout, stderr } = await start(machine, 'reconcile', []).ended
  expect(stdout + stderr).toContain('agree')
}

/** Files with user-data of VMs that are destroyed, with what became of each VM. */
async function userDataLeft({ lab, registry }: Arena): Promise<string[]> {
  const files = await listVolumes(rootClient(lab), { node: 'pve', storage: 'local' }, 'snippets')
  const archived = await registry.listArchived()
  return files
    .filter(({ volid }) => volid.includes('/proxmint-'))
    .map(({ volid }) => {
      const entry = archived.find(({ id }) => volid.includes(id))
      return [volid, ...(entry?.history ?? []).map(({ at, what }) => `${at} ${what}`)].join('\n')
    })
}

/** Acknowledged entries that are neither living nor destroyed, with the command that acknowledged each. */
async function known(registry: RegistryStore, { acknowledged }: Trials): Promise<string[]> {
  const all = [...(await registry.list()), ...(await registry.listArchived())].map(({ id }) => id)
  return [...acknowledged].filter(([id]) => !all.includes(id)).map(([id, words]) => `${id} by ${words}`)
}

/** Takes a VM to active, or gives it up if somebody took its VMID. */
async function finish(arena: Arena, name: string): Promise<void> {
  const { code } = await arena.start(0, 'apply', [name]).ended
  if (code !== 0) await succeed(arena, 'vm', ['destroy', name, '--yes'])
}

async function succeed(arena: Arena, command: string, args: string[]): Promise<void> {
  const { code, stderr } = await arena.start(0, command, args).ended
  expect(code, `${command} ${args.join(' ')}: ${stderr}`).toBe(0)
}

/** Each VM of ours is there once, under its entry's id, with an address that no other has. */
async function expectUnique({ lab }: Arena, entries: Entry[]): Promise<void> {
  const client = rootClient(lab)
  const vms = await Promise.all(
    (await vmidsOf(lab)).map(async vmid => ({
      vmid,
      config: await getVmConfig(client, { node: 'pve', vmid }),
    })),
  )
  for (const { name, id, vmid, address } of entries) {
    const own = vms.filter(({ config }) => String(config['description']).includes(id))
    expect(
      own.map(found => found.vmid),
      name,
    ).toEqual([vmid])
    const same = vms.filter(({ config }) => String(config['ipconfig0']).includes(`ip=${address}/`))
    expect(
      same.map(found => found.vmid),
      `${name} alone has ${address}`,
    ).toEqual([vmid])
  }
}
