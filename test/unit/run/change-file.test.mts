/** One file that several processes change: no update is lost, wherever one of them is stopped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { changeFile } from '../../../scripts/lib/run/change-file.mts'
import { ageLocks } from '../../e2e/locks.mts'
import { isStopped } from '../../stopped.mts'
import { temporaryFolder } from '../temporary.mts'

const module = new URL('../../../scripts/lib/run/change-file.mts', import.meta.url).href

/** A process that appends its letters to the file, one change each; it stops itself while it changes the first. */
function appender(path: string, letters: string, stopAt: 'read' | 'file-written' | 'never'): ChildProcess {
  const script = `
    const { changeFile } = await import('${module}')
    let stop = ${stopAt === 'read'}
    for (const letter of '${letters}') {
      await changeFile({ path: '${path}', purpose: 'append', waitMs: 20_000 }, async text => {
        if (stop) process.kill(process.pid, 'SIGSTOP')
        await new Promise(resolve => setTimeout(resolve, stop ? 200 : 0))
        stop = false
        return { text: (text ?? '') + letter, result: undefined }
      })
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...(stopAt === 'file-written' && { PROXMINT_TEST_STOP_AT: stopAt }) },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function untilStopped(child: ChildProcess): Promise<void> {
  while (!(await isStopped(child.pid!))) await sleep(10)
}

const append = (path: string, letter: string) =>
  changeFile({ path, purpose: 'append', waitMs: 20_000 }, async text => ({
    text: `${text ?? ''}${letter}`,
    result: letter,
  }))

describe('a run that is stopped loses no update of another run, and not its own', () => {
  test.each([
    ['after it has read the file', 'read'],
    ['before its rename', 'file-written'],
  ] as const)('%s', async (_, stopAt) => {
    const folder = await temporaryFolder()
    const path = join(folder, 'list.txt')
    const stopped = appender(path, 'a', stopAt)
    await untilStopped(stopped)
    await ageLocks(folder)
    await append(path, 'b')
    await append(path, 'c')
    expect(await readFile(path, 'utf8')).toBe('bc')
    stopped.kill('SIGCONT')
    expect(await once(stopped, 'close')).toEqual([0, null])
    expect(await readFile(path, 'utf8')).toBe('bca')
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining([expect.stringMatching(/tmp$/)]))
  })

  test('several at once, whose locks are taken away all the time', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'list.txt')
    const letters = ['abcdefgh', 'ABCDEFGH', '01234567']
    const children = letters.map(word => appender(path, word, 'never'))
    const ends = Promise.all(children.map(child => once(child, 'close')))
    let ended = false
    void ends.finally(() => {
      ended = true
    })
    while (!ended) {
      const child = children[Math.floor(Math.random() * children.length)]!
      child.kill('SIGSTOP')
      await ageLocks(folder)
      await sleep(Math.random() * 30)
      child.kill('SIGCONT')
    }
    expect(await ends).toEqual(letters.map(() => [0, null]))
    const written = await readFile(path, 'utf8')
    for (const word of letters) expect([...written].filter(one => word.includes(one)).join('')).toBe(word)
  })
})

test('nothing is written if nothing changes, or if the change fails', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'list.txt')
  await writeFile(path, 'a')
  const { ino } = await stat(path)
  const lock = { path, purpose: 'test' }
  expect(await changeFile(lock, async text => ({ text, result: 1 }))).toBe(1)
  expect(await changeFile(lock, async () => ({ text: undefined, result: 2 }))).toBe(2)
  await expect(changeFile(lock, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect((await stat(path)).ino).toBe(ino)
  expect(await readdir(folder)).toEqual(['list.txt'])
})

test('what a run left that was killed is removed by the next', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'list.txt')
  await writeFile(join(folder, '.list.txt.4711.tmp'), 'half of i')
  await append(path, 'a')
  expect(await readdir(folder)).toEqual(['list.txt'])
})
