/** The service that `nft-auth` gives a VM for its signing page, taken from the user-data and run here. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { renderUserData, USER_DATA_FOLDER } from '../../scripts/lib/cloud-init/user-data.mts'
import { accessVariables } from '../../scripts/lib/vm/stack/user-data.mts'
import { temporaryFolder } from '../unit/temporary.mts'
import { repository } from './workspace.mts'

const run = promisify(execFile)
const has = (program: string): Promise<boolean> =>
  run('which', [program]).then(
    () => true,
    () => false,
  )

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Files of the user-data, by path. */
async function filesFor(port: number): Promise<Map<string, string>> {
  const access = {
    ...{
      chainId: 1,
      contract: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
      rpcUrl: 'https://rpc.example.net/',
    },
    ...{ signingPagePort: port, otpLength: 6, otpTtlSeconds: 300, decryptMessage: '', userEncrypted: '0x' },
    mintLater: false,
  }
  const text = await renderUserData(join(repository, USER_DATA_FOLDER), 'nft-auth', {
    ...{ hostname: 'web-1', username: 'me', purpose: '', ssh_authorized_keys: [] },
    ...(await accessVariables(access, '127.0.0.1', { status: 'minted', id: '0', transaction: null })),
  })
  const files = parse(text).write_files as { path: string; content: string }[]
  return new Map(files.map(({ path, content }) => [path, content]))
}

const unitPath = '/etc/systemd/system/proxmint-signing-page.service'
const pagePath = '/usr/local/share/proxmint/signing-page/index.html'

test('serves the page that is on the chain', async context => {
  if (!(await has('python3'))) return context.skip('there is no python3, which Debian’s cloud images have')
  const port = await freePort()
  const files = await filesFor(port)
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'index.html'), files.get(pagePath)!)
  const [, line] = /^ExecStart=(.*)$/m.exec(files.get(unitPath)!)!
  const [file, ...args] = line!.replace('/usr/local/share/proxmint/signing-page', folder).split(' ')
  const server = spawn(file!, args, { stdio: 'ignore' })
  onTestFinished(() => void server.kill('SIGKILL'))
  const page = () => fetch(`http://127.0.0.1:${port}/`).then(response => response.text(), String)
  await expect
    .poll(page, { timeout: 60_000, interval: 200 })
    .toBe(await readFile(join(repository, 'contracts/signing-page/index.html'), 'utf8'))
})

test('is a unit that systemd takes', async context => {
  if (!(await has('systemd-analyze'))) return context.skip('there is no systemd-analyze')
  const folder = await temporaryFolder()
  const unit = join(folder, 'proxmint-signing-page.service')
  await mkdir(folder, { recursive: true })
  await writeFile(unit, (await filesFor(8080)).get(unitPath)!)
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit])
  expect(`${stdout}${stderr}`).not.toContain('proxmint-signing-page')
})
