import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from '../workspace.mts'
import { type FakePve, fakePve } from './server.mts'

export interface Result {
  code: number
  stdout: string
  stderr: string
}

/** A user's repository for a fakepve, without a lab: everything is on loopback. */
export interface FakeRepository extends AsyncDisposable {
  folder: string
  /** Runs `zx scripts/NAME.mts ARGS` in it. */
  zx(name: string, args: string[], env?: Record<string, string>): Promise<Result>
}

const image = 'debian-12-genericcloud-amd64.qcow2'

export async function createFakeRepository(server: FakePve): Promise<FakeRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-fakepve-'))
  const publisher = await publishChecksums()
  await mkdir(join(folder, 'config'))
  await cp(join(repository, 'packer'), join(folder, 'packer'), { recursive: true })
  const url = `${publisher.url}/${image}`
  const config = `images:\n  debian-12:\n    url: ${url}\n    checksums_url: ${publisher.url}/SHA512SUMS\n`
  await writeFile(join(folder, 'config/proxmint.yaml'), config)
  const env = {
    ...process.env,
    ...environmentOf(server),
    PROXMINT_CONFIG: join(folder, 'config/proxmint.yaml'),
  }
  return {
    folder,
    zx: (name, args, more) =>
      run(['zx', join(repository, `scripts/${name}.mts`), ...args], folder, { ...env, ...more }),
    async [Symbol.asyncDispose]() {
      publisher.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const environmentOf = ({ url, caFile }: FakePve) => ({
  PROXMOX_URL: url,
  PROXMOX_USERNAME: `${fakePve.user}!${fakePve.tokenId}`,
  PROXMOX_TOKEN: fakePve.secret,
  PROXMOX_PASSWORD: fakePve.password,
  PROXMOX_NODE: fakePve.node,
  PROXMOX_STORAGE_POOL: fakePve.storage,
  PROXMOX_CA_FILE: caFile,
})

/** The list a publisher of images has; fakepve downloads nothing, so the image itself is not there. */
async function publishChecksums() {
  const list = `${'ab'.repeat(64)}  ${image}\n`
  const server = createServer((_, response) => response.end(list))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() }
}

function run([file, ...args]: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Result> {
  return new Promise(resolve => {
    execFile(file!, args, { cwd, env, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0
      resolve({ code, stdout, stderr })
    })
  })
}
