/** A headless Chromium, driven over its DevTools protocol: enough to use one page as a person would. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** PROXMINT_TEST_CHROMIUM, or what is on PATH; undefined where there is none. */
export const chromium: string | undefined = [
  process.env['PROXMINT_TEST_CHROMIUM'],
  'chromium-headless-shell',
  'chromium',
].find(file => file !== undefined && spawnSync(file, ['--version']).status === 0)

export interface Page {
  /** What an expression is in the page; waits for a promise. */
  evaluate<T>(expression: string): Promise<T>
  /** URLs that the page asked for, the page itself first. */
  requested: string[]
  /** What its console and the browser complained of. */
  complaints: string[]
  /** Makes the page believe that this is how its reader wants it. */
  emulate(scheme: 'light' | 'dark', widthPixels: number): Promise<void>
}

/** @param injected runs in the page before its own scripts, as a wallet's extension does. */
export async function openPage(url: string, injected: string): Promise<Page> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-chromium-'))
  const options = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0']
  // A group of its own: its helpers would go on writing into the folder that is removed.
  const child = spawn(chromium!, [...options, `--user-data-dir=${folder}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  onTestFinished(async () => {
    if (child.exitCode === null) {
      const ended = once(child, 'exit')
      process.kill(-child.pid!, 'SIGKILL')
      await ended
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 20 })
  })
  const browser = new URL(await devToolsUrl(child))
  const targets = (await (await fetch(`http://${browser.host}/json/list`)).json()) as Target[]
  return drive(targets.find(({ type }) => type === 'page')!.webSocketDebuggerUrl, url, injected)
}

interface Target {
  type: string
  webSocketDebuggerUrl: string
}

function devToolsUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', code => reject(new Error(`Chromium ended with ${code}`)))
    createInterface({ input: child.stderr! }).on('line', line => {
      const url = /DevTools listening on (\S+)/.exec(line)?.[1]
      if (url !== undefined) resolve(url)
    })
  })
}

async function drive(socketUrl: string, url: string, injected: string): Promise<Page> {
  const socket = new WebSocket(socketUrl)
  await once(socket, 'open')
  onTestFinished(() => socket.close())
  const requested: string[] = []
  const complaints: string[] = []
  const waiting = new Map<number, (result: { result: Evaluated }) => void>()
  const { promise: loaded, resolve: onLoad } = Promise.withResolvers<void>()
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data))
    if (message.method === 'Network.requestWillBeSent') requested.push(message.params.request.url)
    if (message.method === 'Page.loadEventFired') onLoad()
    if (/^(Log\.entryAdded|Runtime\.(consoleAPICalled|exceptionThrown))$/.test(message.method)) {
      complaints.push(JSON.stringify(message.params))
    }
    waiting.get(message.id)?.(message.result)
  })
  const send = (method: string, params: object = {}): Promise<{ result: Evaluated }> => {
    const id = waiting.size + 1
    socket.send(JSON.stringify({ id, method, params }))
    return new Promise(resolve => waiting.set(id, resolve))
  }
  for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await send(`${domain}.enable`)
  await send('Page.addScriptToEvaluateOnNewDocument', { source: injected })
  await send('Page.navigate', { url })
  await loaded
  return {
    requested,
    complaints,
    evaluate: expression => evaluate(send, expression),
    async emulate(scheme, width) {
      await send('Emulation.setEmulatedMedia', {
        features: [{ name: 'prefers-color-scheme', value: scheme }],
      })
      await send('Emulation.setDeviceMetricsOverride', {
        width,
        height: 900,
        deviceScaleFactor: 1,
        mobile: true,
      })
    },
  }
}

interface Evaluated {
  value?: unknown
  exceptionDetails?: object
}

async function evaluate<T>(
  send: (method: string, params: object) => Promise<{ result: Evaluated }>,
  expression: string,
): Promise<T> {
  const { result } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
  return result.value as T
}
