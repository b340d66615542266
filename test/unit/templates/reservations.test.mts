import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  addReservation,
  dropReservation,
  listReservations,
  type Reservation,
  updateReservation,
} from '../../../scripts/lib/templates/reservations.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const module = new URL('../../../scripts/lib/templates/reservations.mts', import.meta.url).href

const reservation = (vmid: number): Reservation => ({
  vmid,
  node: 'pve',
  name: `debian-${vmid}`,
  buildId: 'b1',
  tags: ['proxmint-home'],
  purpose: 'build debian',
  since: '2026-01-05T10:00:00.000Z',
  pid: 1,
  host: 'here',
  volumes: [],
})

const firstFree = (taken: ReadonlySet<number>): number => {
  let vmid = 9000
  while (taken.has(vmid)) vmid++
  return vmid
}

const add = (stateDir: string) => addReservation(stateDir, async taken => reservation(firstFree(taken)))

const vmids = async (stateDir: string) => (await listReservations(stateDir)).map(({ vmid }) => vmid)

describe('what is written down', () => {
  test('nothing at first', async () => {
    expect(await listReservations(join(await temporaryFolder(), 'state'))).toEqual([])
  })

  test('each reservation, in order, in a state folder that was not there', async () => {
    const stateDir = join(await temporaryFolder(), 'state')
    expect(await add(stateDir)).toEqual(reservation(9000))
    expect(await add(stateDir)).toEqual(reservation(9001))
    expect(await listReservations(stateDir)).toEqual([reservation(9000), reservation(9001)])
    expect(await readdir(stateDir)).toEqual(['reservations.json'])
  })

  test('what becomes known later, of that one alone', async () => {
    const stateDir = await temporaryFolder()
    await add(stateDir)
    await add(stateDir)
    const child = { pid: 4711, program: 'packer' }
    await updateReservation(stateDir, reservation(9001), { child })
    await updateReservation(stateDir, reservation(9001), { volumes: ['local:iso/seed.iso'] })
    expect(await listReservations(stateDir)).toEqual([
      reservation(9000),
      { ...reservation(9001), child, volumes: ['local:iso/seed.iso'] },
    ])
  })

  test('until it is dropped', async () => {
    const stateDir = await temporaryFolder()
    await add(stateDir)
    await add(stateDir)
    await dropReservation(stateDir, reservation(9000))
    expect(await vmids(stateDir)).toEqual([9001])
    await dropReservation(stateDir, reservation(9000))
    expect(await vmids(stateDir)).toEqual([9001])
    await dropReservation(stateDir, reservation(9001))
    expect(await vmids(stateDir)).toEqual([])
    expect(await readdir(stateDir)).toEqual(['reservations.json'])
  })

  test('not dropped by a run whose VMID another run has reserved again', async () => {
    const stateDir = await temporaryFolder()
    await add(stateDir)
    const former = { ...reservation(9000), buildId: 'b0' }
    await updateReservation(stateDir, former, { volumes: ['local:iso/seed.iso'] })
    await dropReservation(stateDir, former)
    expect(await listReservations(stateDir)).toEqual([reservation(9000)])
  })

  test('nothing where no VMID could be chosen', async () => {
    const stateDir = await temporaryFolder()
    await add(stateDir)
    const full = addReservation(stateDir, () => Promise.reject(new Error('every VMID is taken')))
    await expect(full).rejects.toThrow('every VMID is taken')
    expect(await vmids(stateDir)).toEqual([9000])
  })
})

describe('two at once never get the same VMID', () => {
  test('in one process', async () => {
    const stateDir = await temporaryFolder()
    const added = await Promise.all(Array.from({ length: 5 }, () => add(stateDir)))
    expect(added.map(({ vmid }) => vmid).sort()).toEqual([9000, 9001, 9002, 9003, 9004])
    expect((await vmids(stateDir)).sort()).toEqual([9000, 9001, 9002, 9003, 9004])
  })

  test('in two processes that choose slowly', async () => {
    const stateDir = await temporaryFolder()
    const script = `
      const { addReservation } = await import('${module}')
      for (let i = 0; i < 3; i++) {
        await addReservation('${stateDir}', async taken => {
          let vmid = 9000
          while (taken.has(vmid)) vmid++
          await new Promise(resolve => setTimeout(resolve, 50))
          return { vmid, volumes: [], tags: [] }
        })
      }`
    const children = [1, 2].map(() =>
      spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    )
    const codes = await Promise.all(children.map(async child => (await once(child, 'close'))[0]))
    expect(codes).toEqual([0, 0])
    expect((await vmids(stateDir)).sort()).toEqual([9000, 9001, 9002, 9003, 9004, 9005])
  })
})

describe('a file that cannot be understood is told, and stays as it is', () => {
  test.each([
    ['cut off', '{"version":1,"reservations":[{"vmid":9000,'],
    ['empty', ''],
    ['of another shape', '[]'],
    ['without its list', '{"version":1}'],
    ['null', 'null'],
    ['of a newer version', '{"version":2,"reservations":[]}'],
    ['with something that is no reservation', '{"version":1,"reservations":[9000]}'],
    [
      'with a name that leads out of a folder',
      JSON.stringify({ version: 1, reservations: [{ ...reservation(9000), name: '../../keys' }] }),
    ],
    [
      'with a node that leads to another request',
      JSON.stringify({ version: 1, reservations: [{ ...reservation(9000), node: '../../keys' }] }),
    ],
    [
      'with a volume that leads to another request',
      JSON.stringify({
        version: 1,
        reservations: [{ ...reservation(9000), volumes: ['local:iso/../../keys'] }],
      }),
    ],
    ['with nothing for one', '{"version":1,"reservations":[null]}'],
  ])('%s', async (_, content) => {
    const stateDir = await temporaryFolder()
    const file = join(stateDir, 'reservations.json')
    await writeFile(file, content)
    const attempts: (() => Promise<unknown>)[] = [
      () => listReservations(stateDir),
      () => add(stateDir),
      () => updateReservation(stateDir, reservation(9000), { volumes: [] }),
      () => dropReservation(stateDir, reservation(9000)),
    ]
    for (const attempt of attempts) {
      expect(await failureOf(attempt)).toEqual({
        message: `${file} is not a list of reservations`,
        hint: 'it should list unfinished VMs: look for them in Proxmox, then delete the file',
        exitCode: 1,
        facts: {},
      })
    }
    expect(await readFile(file, 'utf8')).toBe(content)
    expect(await readdir(stateDir)).toEqual(['reservations.json'])
  })

  test('a file that cannot be read is no empty one', async () => {
    const stateDir = await temporaryFolder()
    await mkdir(join(stateDir, 'reservations.json'))
    await expect(listReservations(stateDir)).rejects.toThrow('EISDIR')
  })
})
