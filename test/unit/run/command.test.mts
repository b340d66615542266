import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { $, within } from 'zx/core'
import {
  command,
  describeCommand,
  type RunOptions,
  runCommand,
  SECRET_VARIABLES,
} from '../../../scripts/lib/run/exec.mts'
import { killGroup, processCommand } from '../../../scripts/lib/run/process.mts'
import { withProgress } from '../../../scripts/lib/run/progress.mts'
import { registerSecret } from '../../../scripts/lib/run/redact.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const sh = (script: string, options: RunOptions = {}) =>
  runCommand({ file: 'sh', args: ['-c', script] }, options)

describe('runCommand', () => {
  test.each<[string, string, object]>([
    ['success', 'echo out; echo err >&2', { code: 0, stdout: 'out', stderr: 'err', timedOut: false }],
    ['a failure is a result', 'echo no >&2; exit 7', { code: 7, stdout: '', stderr: 'no' }],
    ['several lines', 'printf "a\\nb\\r\\nc"', { code: 0, stdout: 'a\nb\nc' }],
    ['a process that killed itself', 'kill -KILL $$', { code: 137 }],
    ['one that was interrupted', 'kill -INT $$', { code: 130 }],
  ])('%s', async (_, script, expected) => {
    expect(await sh(script)).toMatchObject(expected)
  })

  test('environment, directory and standard input', async () => {
    const cwd = await temporaryFolder()
    vi.stubEnv('PROXMINT_TEST_GONE', 'still there')
    onTestFinished(() => void vi.unstubAllEnvs())
    const result = await runCommand({
      file: 'sh',
      args: ['-c', 'pwd; cat; echo "$ADDED,$PROXMINT_TEST_GONE"'],
      env: { ADDED: 'yes', PROXMINT_TEST_GONE: undefined },
      cwd,
      input: 'typed\n',
    })
    expect(result.stdout).toBe(`${cwd}\ntyped\nyes,`)
  })

  test.each(SECRET_VARIABLES)('%s reaches a child only by its plan', async name => {
    vi.stubEnv(name, 'correct')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect((await sh('env')).stdout).not.toContain(name)
    const plan = { file: 'env', args: [], env: { [name]: process.env[name] } }
    expect((await runCommand(plan)).stdout).toContain(`${name}=correct`)
  })

  test('standard input that is empty ends', async () => {
    expect(await runCommand({ file: 'cat', args: [], input: '' })).toMatchObject({ code: 0, stdout: '' })
  })

  test('a letter whose bytes come one by one', async () => {
    expect((await sh("printf '\\303'; sleep 0.1; printf '\\274\\n'")).stdout).toBe('ü')
  })

  test('arguments reach the program as they are, through no shell', async () => {
    const args = ['%s|', 'a b', '$HOME', '`id`', "it's", '"x"', '*', '', 'two\nlines']
    const { stdout } = await runCommand({ file: 'printf', args })
    expect(stdout).toBe('a b|$HOME|`id`|it\'s|"x"|*||two\nlines|')
  })

  test('settings of zx change nothing but what --verbose shows, which holds no secret', async () => {
    registerSecret('correct-horse-battery')
    const shown = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    const settings = {
      verbose: true,
      prefix: 'exit 9;',
      postfix: '; exit 9',
      timeout: '1ms' as const,
      cwd: '/',
    }
    const plan = { file: 'echo', args: ['correct-horse-battery'], env: { TOKEN: 'correct-horse-battery' } }
    const result = await within(() => {
      Object.assign($, { ...settings, preferLocal: true, detached: false })
      return runCommand(plan)
    })
    expect(result).toMatchObject({ code: 0, stdout: 'correct-horse-battery', timedOut: false })
    expect(shown.mock.calls).toEqual([["$ TOKEN=... echo '***'\n"]])
  })

  test('a child that reads nothing of its input', async () => {
    const { code } = await runCommand({ file: 'true', args: [], input: 'x'.repeat(1_000_000) })
    expect(code).toBe(0)
  })

  test('every line as it comes, of both streams, without secrets', async () => {
    registerSecret('correct-horse-battery')
    const lines: string[] = []
    const result = await sh('echo "password is correct-horse-battery"; echo "x correct-horse-battery" >&2', {
      onLine: line => lines.push(line),
    })
    expect(lines.sort()).toEqual(['password is ***', 'x ***'])
    expect(result.stdout).toBe('password is correct-horse-battery')
  })

  test('the process id is known before the end', async () => {
    const started = vi.fn(async () => {})
    const { stdout } = await sh('echo $$', { onStart: started })
    expect(started).toHaveBeenCalledExactlyOnceWith(Number(stdout))
  })

  test('a child whose start could not be written down does not go on', async () => {
    let pid = 0
    const running = sh('sleep 20', {
      onStart: async started => {
        pid = started
        throw new Error('the disk is full')
      },
    })
    await expect(running).rejects.toThrow('the disk is full')
    expect(await processCommand(pid)).toBeUndefined()
  })
})

describe('a program that cannot be started', () => {
  test('missing', async () => {
    expect(await failureOf(() => runCommand({ file: 'no-such-packer', args: [] }))).toEqual({
      message: 'cannot start no-such-packer: no such program',
      hint: 'run `make setup`, which finds or installs what proxmint needs',
      exitCode: 1,
      facts: {},
    })
  })

  test('in a directory that is missing', async () => {
    expect(await failureOf(() => runCommand({ file: 'true', args: [], cwd: '/no/such/place' }))).toEqual({
      message: 'cannot start true: no such directory',
      hint: undefined,
      exitCode: 1,
      facts: { directory: '/no/such/place' },
    })
  })

  test('with an argument that is too long for the system', async () => {
    const { message, hint } = await failureOf(() =>
      runCommand({ file: 'true', args: ['x'.repeat(1_000_000)] }),
    )
    expect(message).toBe('cannot start true: spawn E2BIG')
    expect(hint).toBeUndefined()
  })

  test('not executable', async () => {
    const { message, hint } = await failureOf(() => runCommand({ file: '/etc/passwd', args: [] }))
    expect(message).toBe('cannot start /etc/passwd: spawn /etc/passwd EACCES')
    expect(hint).toBeUndefined()
  })
})

describe('breaking off', () => {
  test('SIGINT reaches the whole process group, and its clean-up is waited for', async () => {
    const log = join(await temporaryFolder(), 'log')
    const child = 'trap "sleep 0.2; echo child >>$LOG; exit" INT; echo ready; while :; do sleep 0.05; done'
    const parent = `trap 'echo parent >>$LOG; exit 3' INT; sh -c '${child}'`
    const controller = new AbortController()
    const result = await runCommand(
      { file: 'sh', args: ['-c', parent], env: { LOG: log } },
      { signal: controller.signal, onLine: line => line === 'ready' && controller.abort(), graceMs: 5000 },
    )
    expect(result).toMatchObject({ code: 3, timedOut: false })
    expect(await readFile(log, 'utf8')).toBe('child\nparent\n')
  })

  test('SIGINT comes once to each process of the group: OpenTofu and Packer end at once on a second', async () => {
    const count = `let n = 0
      const end = () => process.exit(console.log('got', n))
      process.on('SIGINT', () => ++n === 1 && setTimeout(end, 300))
      setInterval(() => {}, 1000)
      console.log('ready')`
    const controller = new AbortController()
    let ready = 0
    const onLine = (line: string): void => {
      if (line === 'ready' && ++ready === 2) controller.abort()
    }
    const args = ['-c', `"$0" -e "$1" & trap '' INT; "$0" -e "$1"; wait`, process.execPath, count]
    const { stdout } = await runCommand({ file: 'bash', args }, { signal: controller.signal, onLine })
    expect(stdout).toBe('ready\nready\ngot 1\ngot 1')
  })

  // No shell around it: dash puts a SIGINT off while it starts a program, until that ends by itself.
  test.each<[string, RunOptions, boolean]>([
    ['a signal that is aborted already', { signal: AbortSignal.abort() }, false],
    ['the time is over', { timeoutMs: 100 }, true],
  ])('%s', async (_, options, timedOut) => {
    const result = await runCommand({ file: 'sleep', args: ['20'] }, options)
    expect(result).toMatchObject({ code: 130, timedOut })
  })

  test('who ignores SIGINT is killed after the grace', async () => {
    const result = await sh("trap '' INT; echo ready; while :; do sleep 0.05; done", {
      timeoutMs: 300,
      graceMs: 200,
    })
    expect(result).toMatchObject({ code: 137, stdout: 'ready', timedOut: true })
  })
})

test('what a child that was killed had started is ended with it: OpenTofu leaves its provider behind', async () => {
  const { code, stdout } = await sh('sleep 300 >/dev/null 2>&1 & echo $!; kill -KILL $$')
  expect(code).toBe(137)
  // Its end may be read by nobody, where process 1 is no init.
  const after = async () => (await processCommand(Number(stdout))) ?? '<defunct>'
  await expect.poll(after, { timeout: 10_000 }).toContain('<defunct>')
})

describe('a process of an earlier run', () => {
  test('is killed with its group if it is what it was', async () => {
    let pid = 0
    const end = sh('sleep 20 & sleep 20; true', {
      onStart: async started => {
        pid = started
      },
    })
    await vi.waitFor(async () => expect(await processCommand(pid)).toContain('sleep 20'))
    expect(await killGroup(pid, 'packer')).toBe(false)
    expect(await processCommand(pid)).toContain('sleep 20')
    expect(await killGroup(pid, 'sleep')).toBe(true)
    expect(await end).toMatchObject({ code: 137 })
    expect(await processCommand(pid)).toBeUndefined()
    expect(await killGroup(pid, 'sleep')).toBe(false)
  })
})

describe('a command as it is typed', () => {
  test.each<[string, ReturnType<typeof command>, string[]]>([
    ['words', command`packer validate  .`, ['packer', 'validate', '.']],
    ['on several lines', command`\n  go build\n    -v\n`, ['go', 'build', '-v']],
    ['a value is one word', command`echo ${"it's $HOME"} ${''} ${7}`, ['echo', "it's $HOME", '', '7']],
    ['or parts of one', command`${'a b'}/bin --root=${'/c d'}/${1}`, ['a b/bin', '--root=/c d/1']],
    [
      'a list is several',
      command`apt-get install ${['a', 'b c']} -y`,
      ['apt-get', 'install', 'a', 'b c', '-y'],
    ],
    ['or none', command`npm ci ${[]}`, ['npm', 'ci']],
  ])('%s', (_, { file, args }, words) => {
    expect([file, ...args]).toEqual(words)
  })
})

describe('describeCommand', () => {
  test.each<[string, Parameters<typeof describeCommand>[0], string]>([
    ['plain words', { file: 'packer', args: ['validate', '.'] }, 'packer validate .'],
    [
      'what a shell would take apart',
      { file: 'sh', args: ['-c', "echo 'x' $Y", ''] },
      "sh -c 'echo '\\''x'\\'' $Y' ''",
    ],
    [
      'names of variables, never values',
      { file: 'packer', args: ['build'], env: { PROXMOX_TOKEN: 'secret', PROXMOX_PASSWORD: undefined } },
      'PROXMOX_TOKEN=... packer build',
    ],
    [
      'a directory',
      { file: 'packer', args: ['build'], cwd: 'my packer' },
      "(cd 'my packer' && packer build)",
    ],
  ])('%s', (_, plan, text) => {
    expect(describeCommand(plan)).toBe(text)
  })

  test('a secret that got into the arguments all the same', () => {
    registerSecret('battery-staple')
    expect(describeCommand({ file: 'x', args: ['--password=battery-staple'] })).toBe("x '--password=***'")
  })
})

describe('progress where stderr is no terminal', () => {
  function written(): string[] {
    const lines: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation(text => lines.push(String(text)) > 0)
    const terminal = process.stderr.isTTY
    process.stderr.isTTY = false
    onTestFinished(() => {
      process.stderr.isTTY = terminal
      vi.restoreAllMocks()
    })
    return lines
  }

  test('one line at the start and one at the end', async () => {
    const lines = written()
    const result = await withProgress('packer build', async progress => {
      progress.update('cloning')
      return 42
    })
    expect(result).toBe(42)
    expect(lines).toEqual([
      'packer build ...\n',
      expect.stringMatching(/^packer build: done in \d+\.\d s\n$/),
    ])
  })

  test('a failure', async () => {
    const lines = written()
    await expect(withProgress('packer build', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(lines.at(-1)).toMatch(/^packer build: failed in \d+\.\d s\n$/)
  })
})

test('progress on a terminal: one line, redrawn, without secrets', async () => {
  registerSecret('correct-horse-battery')
  let output = ''
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    output += String(text)
    return true
  })
  const { isTTY, columns } = process.stderr
  Object.assign(process.stderr, { isTTY: true, columns: 40 })
  onTestFinished(() => {
    Object.assign(process.stderr, { isTTY, columns })
    vi.restoreAllMocks()
  })
  await withProgress('build', async progress => progress.update(`correct-horse-battery ${'x'.repeat(80)}`))
  const drawn = output.split('\r\x1b[K').slice(1)
  expect(drawn).toHaveLength(3)
  expect(drawn[1]).toMatch(/^build {2}0\.\d s {2}\*\*\* x+$/)
  expect(drawn[1]).toHaveLength(39)
  expect(drawn[2]).toMatch(/^build: done in 0\.\d s\n$/)
})
