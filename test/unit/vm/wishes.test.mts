import { expect, test } from 'vitest'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { wishesOf, wishesWith } from '../../../scripts/lib/vm/plan/wishes.mts'
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

test('a VM that never expires is asked for by flag or by fleet file', () => {
  expect(wishes('--expiry-days', 'never')).toMatchObject({ expiryDays: Number.POSITIVE_INFINITY })
  expect(wishesWith(wishes('--expiry-days', '5'), { expiry_days: 'never' })).toMatchObject({
    expiryDays: Number.POSITIVE_INFINITY,
  })
  expect(wishesWith(wishes('--expiry-days', 'never'), { expiry_days: 5 })).toMatchObject({ expiryDays: 5 })
})

test.each(['ever', '0', 'Never', '36501'])('--expiry-days %s is refused', async days => {
  const failure = await failureOf(async () => wishes('--expiry-days', days))
  expect(failure.message).toContain('takes a whole number from 1 to 36500 or `never`')
})
