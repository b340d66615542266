import { describe, expect, test } from 'vitest'
import { jsonText, redact, registerSecret } from '../../../scripts/lib/run/redact.mts'

const secret = String.raw`a"b\c'd&e<f>g h/ü%$+z`
registerSecret(secret)

const htmlNumbers = (text: string): string =>
  text.replaceAll(/["'&<>]/g, sign => `&#${sign === '"' || sign === "'" ? '' : '0'}${sign.charCodeAt(0)};`)
const htmlNames = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
const unicode = (text: string, which: RegExp): string =>
  text.replaceAll(which, sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
const json = (text: string): string => JSON.stringify(text)
const hcl = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$').replaceAll('%', '%%')}"`

describe('a secret with signs that every encoding writes in its own way', () => {
  test.each<[string, string]>([
    ['as it is', secret],
    ['JSON', json(secret)],
    ['JSON within JSON', json(json(secret))],
    ['JSON with \\u escapes, as Go writes it', unicode(json(secret), /[<>&]/g)],
    ['JSON of ASCII alone, as Python writes it', unicode(json(secret), /ü/g)],
    ['JSON with \\u escapes of all signs', unicode(secret, /[^a-z]/g)],
    ['the same in capitals', unicode(secret, /[^a-z]/g).replaceAll(/[0-9a-f]{4}/g, hex => hex.toUpperCase())],
    ['HCL', hcl(secret)],
    ['HTML with names', htmlNames(secret)],
    ['HTML with numbers', htmlNumbers(secret)],
    ['HTML within HTML', htmlNames(htmlNames(secret))],
    ['a URL', encodeURIComponent(secret)],
    ['a URL in small letters', encodeURIComponent(secret).replaceAll(/%../g, hex => hex.toLowerCase())],
    ['a form', new URLSearchParams([['', secret]]).toString().slice(1)],
    ['a shell in single quotes', `'${secret.replaceAll("'", String.raw`'\''`)}'`],
    ['YAML in single quotes', `'${secret.replaceAll("'", "''")}'`],
    ...[0, 1, 2, 3].map((before): [string, string] => [
      `Base64, ${before} bytes behind a beginning`,
      Buffer.from(`${'x'.repeat(before)}${secret} and more`).toString('base64'),
    ]),
    ['Base64 for URLs', Buffer.from(secret).toString('base64url')],
    ['Base64 in a URL', encodeURIComponent(Buffer.from(`root:${secret}`).toString('base64'))],
  ])('%s', (_, encoded) => {
    const text = `before ${encoded} after`
    const redacted = redact(text)
    expect(redacted).toMatch(/^before .{0,9}\*\*\*.{0,40} after$/)
    // No four signs of it in a row are left, in its own or the encoded form.
    const inner = encoded.replaceAll(/^["']+|["']+$/g, '')
    for (let at = 2; at + 8 < inner.length - 22; at++) expect(redacted).not.toContain(inner.slice(at, at + 8))
  })

  test('a document: by value, before it is encoded', () => {
    const document = { deep: [{ value: `x ${secret}` }], [secret]: 1, 'proxmox.token': secret }
    expect(JSON.parse(jsonText(document))).toEqual({
      deep: [{ value: 'x ***' }],
      '***': 1,
      'proxmox.token': '***',
    })
  })

  test('a command that hands over secrets prints them', () => {
    expect(JSON.parse(jsonText({ key: secret }, { redacted: false }))).toEqual({ key: secret })
  })
})

test('JSON escapes what JSON.stringify leaves to a terminal, and readers get the same', () => {
  const document = { purpose: 'a\u001b]52;c;x\u0007 \u009b31m \u202e\u2066 \u2028 \u007f ü 漢字 \u05d0' }
  const text = jsonText(document)
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/)
  expect(text).toContain('ü 漢字 \u05d0')
  expect(JSON.parse(text)).toEqual(document)
})

test('many secrets and a long text take no time to speak of', () => {
  for (let i = 0; i < 60; i++) registerSecret(`${i}${'q'.repeat(30)}+/=${i}`)
  registerSecret('\\'.repeat(8))
  const start = performance.now()
  redact(`${'x'.repeat(1_000_000)}${'\\'.repeat(2000)}${'%26'.repeat(2000)}`)
  expect(performance.now() - start).toBeLessThan(2000)
})
