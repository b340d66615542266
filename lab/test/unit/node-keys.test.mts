import ssh2 from 'ssh2'
import { expect, test } from 'vitest'
import { generateKeyPair } from '../../node-ssh/keys.mts'

test('every key of the node can be read again', () => {
  // Of those that ssh2 makes one in 250 cannot, so that a thousand would show it.
  const keys = Array.from({ length: 1000 }, () => generateKeyPair('test').private)
  expect(keys.filter(key => ssh2.utils.parseKey(key) instanceof Error)).toEqual([])
})
