/** What cloud-init came to, from the files that it leaves. */
import { describe, expect, test } from 'vitest'
import { gecosOf, outcomeOf } from '../../../scripts/lib/cloud-init/outcome.mts'

const accounts = undefined
const status = (v1: object) => JSON.stringify({ v1 })
const result = (...errors: string[]) => JSON.stringify({ v1: { datasource: 'DataSourceNoCloud', errors } })

test('no file: there is no cloud-init, or it has not begun', () => {
  expect(outcomeOf({ status: undefined, result: undefined, accounts })).toEqual({
    state: 'absent',
    stage: undefined,
    errors: [],
    warnings: [],
  })
})

test('without a result it runs, and says at what', () => {
  const running = status({ stage: 'modules-final', init: { errors: [] } })
  expect(outcomeOf({ status: running, result: undefined, accounts })).toMatchObject({
    state: 'running',
    stage: 'modules-final',
  })
  expect(outcomeOf({ status: running, result: '{"v1": {"err', accounts })).toMatchObject({ state: 'running' })
})

/** As cloud-init 24.4 writes it. */
const REFUSED =
  `('users_groups', ProcessExecutionError("Unexpected error while running command.\\nCommand: ['useradd', 'admin']\\n` +
  `Exit code: 3\\nReason: -\\nStdout: \\nStderr: useradd: invalid comment 'shop: front'"))`

describe('a failure', () => {
  test('is told once in cloud-init’s own words, as one line', () => {
    const stages = status({ stage: null, init: { errors: [REFUSED] }, 'modules-final': { errors: [] } })
    const { state, errors } = outcomeOf({ status: stages, result: result(REFUSED), accounts })
    expect(state).toBe('ended')
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain("Stderr: useradd: invalid comment 'shop: front'")
    expect(errors[0]).not.toContain('\\n')
  })

  test('has bounds, and no control characters', () => {
    const many = Array.from({ length: 9 }, (_, index) => `${index}\u001b[31m${'x'.repeat(1000)}`)
    const { errors } = outcomeOf({ status: status({}), result: result(...many), accounts })
    expect(errors).toHaveLength(5)
    expect(errors[0]).toMatch(/^.{300}\.\.\. \(\d+ more characters\)$/)
    expect(errors.join('')).not.toMatch(/\p{Cc}/u)
  })
})

test('deprecations are no warnings; everything else is', () => {
  const stages = status({
    init: { recoverable_errors: { DEPRECATED: ['user: is old'], WARNING: ['Failed loading yaml blob'] } },
  })
  expect(outcomeOf({ status: stages, result: result(), accounts })).toMatchObject({
    state: 'ended',
    errors: [],
    warnings: ['Failed loading yaml blob'],
  })
})

test.each([
  ['{"v1": []}', '{"v1": {"errors": {}}}'],
  ['[]', 'null'],
  ['{"v1": {"init": 5, "x": {"errors": 5, "recoverable_errors": []}}}', '{"v1": {"errors": [5, null]}}'],
])('files of another shape do not harm: %s', (broken, end) => {
  expect(() => outcomeOf({ status: broken, result: end, accounts })).not.toThrow()
})

test('the GECOS field of an account', () => {
  const text = 'root:x:0:0:root:/root:/bin/bash\nadmin:x:1000:1000:nft=5,a:/home/admin:/bin/bash\n'
  expect(gecosOf(text, 'admin')).toBe('nft=5,a')
  expect(gecosOf(text, 'adm')).toBeUndefined()
})
