import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { writeFailed, writeFileAtomic } from '../../../scripts/lib/run/atomic-file.mts'
import { openLog } from '../../../scripts/lib/run/log-file.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const atomicFile = new URL('../../../scripts/lib/run/atomic-file.mts', import.meta.url).href

describe('writeFileAtomic', () => {
  test('makes the folder, the file with its mode, and nothing else', async () => {
    const folder = join(await temporaryFolder(), 'a', 'b')
    await writeFileAtomic(join(folder, 'state.json'), 'content\n', 0o600)
    expect(await readdir(folder)).toEqual(['state.json'])
    expect(await readFile(join(folder, 'state.json'), 'utf8')).toBe('content\n')
    expect((await stat(join(folder, 'state.json'))).mode & 0o777).toBe(0o600)
  })

  test('a reader sees the old file or the new one: the old one stays as it was', async () => {
    const file = join(await temporaryFolder(), 'state.json')
    await writeFile(file, 'old')
    const { ino } = await stat(file)
    await writeFileAtomic(file, 'new')
    expect((await stat(file)).ino).not.toBe(ino)
  })

  test('a rename that fails leaves what was there, and no temporary file', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'state.json')
    await mkdir(join(file, 'in the way'), { recursive: true })
    const { message, exitCode } = await failureOf(() => writeFileAtomic(file, 'new'))
    expect(message).toMatch(new RegExp(`^cannot write ${file}: .*EISDIR`))
    expect(exitCode).toBe(1)
    expect(await readdir(folder)).toEqual(['state.json'])
    expect(await readdir(file)).toEqual(['in the way'])
  })

  test('kill -9 at any moment leaves one content whole', async () => {
    const file = join(await temporaryFolder(), 'state.json')
    const half = 500_000
    const script = `
      const { writeFileAtomic } = await import('${atomicFile}')
      for (let i = 0; ; i++) {
        await writeFileAtomic('${file}', (i % 2 ? 'b' : 'a').repeat(${half}))
        if (i === 0) console.log('begun')
      }`
    for (const killAfterMs of [7, 23, 40]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script])
      await once(child.stdout, 'data')
      await sleep(killAfterMs)
      child.kill('SIGKILL')
      await once(child, 'close')
      const content = await readFile(file, 'utf8')
      expect([content.length, new Set(content).size]).toEqual([half, 1])
    }
  })

  test.skipIf(process.getuid?.() !== 0)('a full disk (as root: a file system of 16 KiB)', async () => {
    const disk = await smallDisk()
    const file = join(disk, 'state.json')
    await writeFileAtomic(file, 'old')
    expect(await failureOf(() => writeFileAtomic(file, 'x'.repeat(100_000)))).toEqual({
      message: `cannot write ${file}: no space left on the device`,
      hint: `free some space on the file system of ${disk}`,
      exitCode: 1,
      facts: {},
    })
    expect(await readdir(disk)).toEqual(['state.json'])
    expect(await readFile(file, 'utf8')).toBe('old')
  })
})

async function smallDisk(): Promise<string> {
  const disk = await temporaryFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk])
  onTestFinished(() => void execFileSync('umount', [disk]))
  return disk
}

test.each<[string, string, string | undefined]>([
  ['ENOSPC', 'no space left on the device', 'free some space on the file system of /state'],
  ['EDQUOT', 'disk quota exceeded', 'free some space on the file system of /state'],
  ['EACCES', 'permission denied', 'make /state writable for this user'],
  ['EROFS', 'the file system is read-only', 'choose another folder or mount it writable'],
  ['EMFILE', 'Error: EMFILE', undefined],
])('why a file cannot be written: %s', (code, reason, hint) => {
  const error = writeFailed('/state/a.json', Object.assign(new Error(code), { code }))
  expect([error.message, error.hint]).toEqual([`cannot write /state/a.json: ${reason}`, hint])
})

describe('a log file', () => {
  test('has every line as soon as it is written, for its owner alone', async () => {
    const path = join(await temporaryFolder(), 'logs', 'build.log')
    using log = openLog(path)
    log.write('one')
    log.write('two')
    expect(await readFile(path, 'utf8')).toBe('one\ntwo\n')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(log.lines).toEqual(['one', 'two'])
  })

  test('a full disk is told and breaks off nothing', () => {
    using log = openLog('/dev/full')
    log.write('one')
    log.write('two')
    expect(log.lines).toEqual(['one', 'two'])
    expect(log.failure?.message).toBe('cannot write /dev/full: no space left on the device')
  })

  test('a line that comes after its end goes into no other file, whose number may be the same by then', async () => {
    const folder = await temporaryFolder()
    const log = openLog(join(folder, 'build.log'))
    log[Symbol.dispose]()
    const other = openSync(join(folder, 'other'), 'w')
    log.write('late')
    closeSync(other)
    expect(await readFile(join(folder, 'other'), 'utf8')).toBe('')
    expect(log.lines).toEqual(['late'])
  })

  test('one that cannot be made', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'logs'), 'a file where the folder should be')
    await chmod(join(folder, 'logs'), 0o444)
    const { message } = await failureOf(() => openLog(join(folder, 'logs', 'build.log')))
    expect(message).toContain(`${folder}/logs is a file: `)
  })
})
