/** The page in a real browser, with a wallet as an extension injects it. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { verifyMessage, Wallet } from 'ethers'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { labAccounts } from '../../../lab/chain/accounts.mts'
import { otpText } from '../../unit/chain/token-owner.mts'
import { chromium, openPage, type Page } from '../browser.mts'

const page = await readFile(new URL('../../../contracts/signing-page/index.html', import.meta.url))

if (chromium === undefined) {
  console.warn('the signing page is not tested: no Chromium on PATH or in PROXMINT_TEST_CHROMIUM')
}

async function pageUrl(): Promise<string> {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(page))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const owner = new Wallet(labAccounts(2)[1]!.privateKey)
const text = otpText('web-1', '123456')

/** A wallet that answers as `answer`, an expression of its parameters, says. */
const injectedWallet = (answer: string): string => `
  globalThis.calls = []
  globalThis.ethereum = { async request(call) {
    calls.push(call)
    if (call.method === 'eth_requestAccounts') return ['${owner.address}']
    return (${answer})(call.params)
  } }`

/** Fills the form in and sends it off. */
const submit = (machine: string, code: string): string => `(() => {
  machine.value = ${JSON.stringify(machine)}
  code.value = ${JSON.stringify(code)}
  document.querySelector('#sign').click()
})()`

const shown = (of: Page): Promise<{ problem: string; signature: string; hidden: boolean; focus: string }> =>
  of.evaluate(`({ problem: problem.textContent, signature: signature.value, hidden: result.hidden,
    focus: document.activeElement.id })`)

describe.skipIf(chromium === undefined)('the signing page', () => {
  test('signs the text that the VM checks, shows what to paste, and asks for nothing else', async () => {
    const signed = await owner.signMessage(text)
    const opened = await openPage(await pageUrl(), injectedWallet(`() => '${signed}'`))
    await opened.evaluate(submit('web-1', ' 123456 '))
    await vi.waitFor(
      async () => expect(await shown(opened)).toMatchObject({ hidden: false, focus: 'title' }),
      20_000,
    )
    const { signature, problem } = await shown(opened)
    expect([verifyMessage(text, signature), problem]).toEqual([owner.address, ''])
    expect(await opened.evaluate('calls')).toEqual([
      { method: 'eth_requestAccounts' },
      { method: 'personal_sign', params: [`0x${Buffer.from(text).toString('hex')}`, owner.address] },
    ])
    expect(opened.requested).toHaveLength(1)
  })

  test.each([
    ['() => { throw { code: 4001, message: "rejected" } }', 'The wallet was told not to sign.'],
    ['() => { throw { code: -32002 } }', 'The wallet waits for an answer'],
    ['() => "0x1234"', 'a signature that the machine does not know'],
  ])('tells why there is no signature (%#)', async (answer, problem) => {
    const opened = await openPage(await pageUrl(), injectedWallet(answer))
    await opened.evaluate(submit('web-1', '123456'))
    await vi.waitFor(async () => expect((await shown(opened)).problem).toContain(problem), 20_000)
    expect(await shown(opened)).toMatchObject({ hidden: true, signature: '' })
    expect(await opened.evaluate("document.querySelector('#sign').disabled")).toBe(false)
  })

  test('asks the wallet nothing before the form is right, and says where it is not', async () => {
    const opened = await openPage(await pageUrl(), injectedWallet('() => ""'))
    await opened.evaluate(submit('web 1', '123456'))
    expect(await shown(opened)).toMatchObject({
      problem: expect.stringMatching(/^Machine id:/),
      focus: 'machine',
    })
    await opened.evaluate(submit('web-1', '12 34'))
    expect(await shown(opened)).toMatchObject({ problem: expect.stringMatching(/^Code:/), focus: 'code' })
    expect(await opened.evaluate('[calls.length, code.ariaInvalid, machine.ariaInvalid]')).toEqual([
      0,
      'true',
      'false',
    ])
  })

  test('says what to do where there is no wallet, and lets one choose where there are several', async () => {
    const none = await openPage(await pageUrl(), '')
    await none.evaluate(submit('web-1', '123456'))
    expect((await shown(none)).problem).toContain('No wallet was found')
    const announced = `addEventListener('eip6963:requestProvider', () => ['One', 'Two'].forEach(name =>
      dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: { info: { name },
        provider: { request: async () => { throw new Error('asked ' + name) } } } }))))`
    const several = await openPage(`${await pageUrl()}#machine=web-1&code=123456`, announced)
    await several.evaluate("wallet.value = '1'; document.querySelector('#sign').click()")
    await vi.waitFor(async () => expect((await shown(several)).problem).toBe('asked Two'), 20_000)
    expect(await several.evaluate('choice.hidden')).toBe(false)
  })

  test('names every field and heading for who does not see them', async () => {
    const opened = await openPage(await pageUrl(), '')
    const unnamed = `[...document.querySelectorAll('input, select, textarea')].filter(field => !field.labels.length).length`
    expect(await opened.evaluate(unnamed)).toBe(0)
    expect(await opened.evaluate('[document.documentElement.lang, document.title]')).toEqual([
      'en',
      'Sign in to a machine',
    ])
    expect(await opened.evaluate("[problem.role, document.querySelector('#status').role]")).toEqual([
      'alert',
      'status',
    ])
  })
})

test('the page fits into the contract and refers to nothing outside', () => {
  expect(page.length).toBeLessThanOrEqual(12_288)
  expect(page.toString()).not.toMatch(/\s(?:src|href)=|url\(|https?:/i)
})
