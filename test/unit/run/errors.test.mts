import { describe, expect, test } from 'vitest'
import { codeOf, formatError, interrupted, ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { nearest } from '../../../scripts/lib/run/nearest.mts'
import { redact, registerSecret } from '../../../scripts/lib/run/redact.mts'

describe('formatError', () => {
  test.each<[string, ProxmintError, string]>([
    ['a message alone', new ProxmintError('it broke'), 'error: it broke'],
    [
      'facts and a hint',
      new ProxmintError('it broke', { facts: { file: 'a.yaml', line: 3, code: undefined }, hint: 'mend it' }),
      'error: it broke\n  file: a.yaml\n  line: 3\nhint: mend it',
    ],
    ['an interruption', interrupted('packer build debian'), 'error: interrupted: packer build debian'],
  ])('%s', (_, error, text) => {
    expect(formatError(error)).toBe(text)
  })

  test('what nobody foresaw keeps its stack and asks to be reported', () => {
    const lines = formatError(new TypeError('x is undefined')).split('\n')
    expect(lines[0]).toBe('error: x is undefined')
    expect(lines[1]).toMatch(/^ {4}at .*errors\.test\.mts/)
    expect(lines.at(-1)).toBe('hint: this is a defect of proxmint; please report it with the lines above')
  })

  test('something that is no error', () => {
    expect(formatError('just text')).toBe('error: just text')
  })
})

test.each<[string, unknown, string | undefined]>([
  ['of the error', Object.assign(new Error('x'), { code: 'ENOENT' }), 'ENOENT'],
  ['of its cause', new Error('x', { cause: Object.assign(new Error('y'), { code: 'EACCES' }) }), 'EACCES'],
  ['none', new Error('x'), undefined],
  ['a number', Object.assign(new Error('x'), { code: 5 }), undefined],
  ['of no error', { code: 'ENOENT' }, undefined],
])('the system code: %s', (_, error, code) => {
  expect(codeOf(error)).toBe(code)
})

describe('nearest', () => {
  const keys = ['proxmox_url', 'proxmox_user', 'proxmox_node', 'site']

  test.each<[string, string | undefined]>([
    ['proxmox_url', 'proxmox_url'],
    ['proxmox_ulr', 'proxmox_url'],
    ['PROXMOX_URL', 'proxmox_url'],
    ['proxmox-node', 'proxmox_node'],
    ['proxmoxuser', 'proxmox_user'],
    ['siet', 'site'],
    ['se', undefined],
    ['sitr', 'site'],
    ['proxmox_urls', 'proxmox_url'],
    ['colour', undefined],
    ['', undefined],
  ])('%s -> %s', (word, expected) => {
    expect(nearest(word, keys)).toBe(expected)
  })

  test('no candidates', () => {
    expect(nearest('site', [])).toBeUndefined()
  })
})

describe('redact', () => {
  registerSecret('c0ffee00-1111-4222-8333-444455556666')
  registerSecret('p@ss w!rd/ü')
  registerSecret('abcdef')
  registerSecret('abcdefghi')
  registerSecret('short')
  registerSecret(undefined)
  registerSecret('-----BEGIN KEY-----\nAAAAC3NzaC1lZDI1NTE5\nxyz\n-----END KEY-----\n')

  test.each([
    ['as it is', 'token=c0ffee00-1111-4222-8333-444455556666.', 'token=***.'],
    ['more than once', 'abcdef abcdef', '*** ***'],
    ['percent-encoded', 'password=p%40ss%20w!rd%2F%C3%BC&x=1', 'password=***&x=1'],
    ['form-encoded', 'password=p%40ss+w%21rd%2F%C3%BC&x=1', 'password=***&x=1'],
    ['within JSON', JSON.stringify({ key: 'p@ss w!rd/ü' }), '{"key":"***"}'],
    ['the longer of two, whole', 'abcdefghi', '***'],
    ['one line of several', 'key AAAAC3NzaC1lZDI1NTE5', 'key ***'],
    ['several lines within JSON', '"AAAAC3NzaC1lZDI1NTE5\\nxyz"', '"***\\nxyz"'],
  ])('%s', (_, text, expected) => {
    expect(redact(text)).toBe(expected)
  })

  test('words too short to be secrets stay', () => {
    expect(redact('a short text')).toBe('a short text')
  })
})
