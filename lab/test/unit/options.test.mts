import { expect, test } from 'vitest'
import { LAB_OPTIONS } from '../../options.mts'

test('no option takes a secret: every user of the machine can read the arguments of a process', () => {
  expect(Object.keys(LAB_OPTIONS).filter(name => /password|secret|token|key/.test(name))).toEqual([])
})
