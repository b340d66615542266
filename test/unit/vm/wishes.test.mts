import { expect, test } from 'vitest'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { wishesOf } from '../../../scripts/lib/vm/plan/wishes.mts'
import { failureOf } from '../failure.mts'

const spec = {
  ...{ name: 'vm', summary: '', usage: '', positionals: 0, uses: [], writes: [], example: '' },
  options: createFlags(),
}

const wishes = (...argv: string[]) => wishesOf(parseArguments(spec, argv))

test.each([
  [['--username', 'a b'], '--username a b is no login name'],
  [['--username', 'Foo'], '--username Foo is no login name'],
  [['--username', `a${'b'.repeat(32)}`], 'is no login name'],
  [['--tags', 'Prod'], '--tags Prod is no tag'],
  [['--tags', 'web,-x'], '--tags -x is no tag'],
  [['--cpu-type', 'host,flags=+aes'], '--cpu-type host,flags=+aes is no CPU model'],
])('%j is refused before anything else', async (argv, said) => {
  const failure = await failureOf(async () => wishes(...argv))
  expect(failure.message).toContain(said)
  expect(failure.exitCode).toBe(2)
})

test('what the schemas take is taken', () => {
  const taken = wishes('--username', '_ops-1', '--tags', 'web, 1a.b+c', '--tags', '_x')
  expect(taken).toMatchObject({ username: '_ops-1', tags: ['web', '1a.b+c', '_x'] })
})
