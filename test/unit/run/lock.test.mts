import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { withLock } from '../../../scripts/lib/run/lock.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const lockModule = new URL('../../../scripts/lib/run/lock.mts', import.meta.url).href

/** Another process that holds the lock until it is killed. */
async function otherHolder(path: string): Promise<number> {
  const script = `
    const { withLock } = await import('${lockModule}')
    await withLock({ path: '${path}', purpose: 'building debian' }, async () => {
      console.log('held')
      setInterval(() => {}, 1000)
      await new Promise(() => {})
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script])
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child.pid!
}

async function lockPath(): Promise<string> {
  return join(await temporaryFolder(), 'state', 'reservations.json')
}

describe('a lock that is free', () => {
  test('gives the result of the work and leaves nothing behind', async () => {
    const path = await lockPath()
    expect(await withLock({ path, purpose: 'testing' }, async () => 42)).toBe(42)
    expect(await readdir(join(path, '..'))).toEqual([])
  })

  test('says who holds it while it is held', async () => {
    const path = await lockPath()
    await withLock({ path, purpose: 'testing' }, async () => {
      const holder = await readFile(`${path}.holder`, 'utf8')
      expect(holder).toMatch(
        new RegExp(`^testing, process ${process.pid} on ${hostname()}, since \\d{4}-\\d\\d-\\d\\dT`),
      )
    })
  })

  test('is taken also where its holder cannot be written down', async () => {
    const path = await lockPath()
    // A folder in the place of the file, as good as a full disk.
    await mkdir(`${path}.holder`, { recursive: true })
    expect(await withLock({ path, purpose: 'testing' }, async () => 42)).toBe(42)
    expect(await readdir(join(path, '..'))).toEqual(['reservations.json.holder'])
  })

  test('is free again when the work failed', async () => {
    const path = await lockPath()
    const failing = withLock({ path, purpose: 'testing' }, async () => {
      throw new Error('the work failed')
    })
    await expect(failing).rejects.toThrow('the work failed')
    expect(await withLock({ path, purpose: 'testing' }, async () => 'free')).toBe('free')
  })
})

describe('a lock that is held', () => {
  test('by another process: refused at once, with its holder', async () => {
    const path = await lockPath()
    const pid = await otherHolder(path)
    const { facts, ...failure } = await failureOf(() =>
      withLock({ path, purpose: 'pruning' }, async () => {}),
    )
    expect(failure).toEqual({
      message: `pruning: another run holds the lock ${path}.lock`,
      hint: 'wait for it to end; a run that was killed loses its lock after 15 s',
      exitCode: 5,
    })
    expect(facts['holder']).toMatch(new RegExp(`^building debian, process ${pid} on ${hostname()}, since `))
  })

  test('is waited for', async () => {
    const path = await lockPath()
    const order: string[] = []
    await Promise.all([
      withLock({ path, purpose: 'first' }, async () => {
        await sleep(300)
        order.push('first')
      }),
      sleep(100).then(() =>
        withLock({ path, purpose: 'second', waitMs: 5000 }, async () => order.push('second')),
      ),
    ])
    expect(order).toEqual(['first', 'second'])
  })

  test('of a run that died longer ago than 15 s is taken over', async () => {
    const path = await lockPath()
    await leftLock(path, 16)
    expect(await withLock({ path, purpose: 'testing' }, async () => 'taken over')).toBe('taken over')
    expect(await readdir(join(path, '..'))).toEqual([])
  })

  test('of one that may still live is not', async () => {
    const path = await lockPath()
    await leftLock(path, 10)
    const { facts } = await failureOf(() => withLock({ path, purpose: 'testing' }, async () => {}))
    expect(facts['holder']).toBe('building debian, process 1 on elsewhere')
  })
})

/** What a killed run leaves. */
async function leftLock(path: string, ageSeconds: number): Promise<void> {
  await mkdir(`${path}.lock`, { recursive: true })
  await writeFile(`${path}.holder`, 'building debian, process 1 on elsewhere')
  const touched = Date.now() / 1000 - ageSeconds
  await utimes(`${path}.lock`, touched, touched)
}

test('a lock that was lost aborts the work, and is left to whoever took it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const path = await lockPath()
  await withLock({ path, purpose: 'testing' }, async signal => {
    await rm(`${path}.lock`, { recursive: true })
    const lost = once(signal, 'abort')
    await vi.advanceTimersByTimeAsync(15_000)
    await lost
    await mkdir(`${path}.lock`)
  })
  await access(`${path}.lock`)
  await access(`${path}.holder`)
})

test('a lock that is lost while it is given up is no failure of the work', async () => {
  vi.doMock('proper-lockfile', () => ({
    lock: async () => () =>
      Promise.reject(Object.assign(new Error('already released'), { code: 'ERELEASED' })),
  }))
  onTestFinished(() => void vi.doUnmock('proper-lockfile'))
  expect(await withLock({ path: await lockPath(), purpose: 'testing' }, async () => 42)).toBe(42)
})

test('a folder that cannot be made is told as such', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'state'), 'a file where the folder should be')
  const path = join(folder, 'state', 'reservations.json')
  const { message } = await failureOf(() => withLock({ path, purpose: 'testing' }, async () => {}))
  expect(message).toContain(`cannot write ${path}: `)
})
