import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pythonWith } from '../../../lab/test/pve/clients/install.mts'

const VERSION = '0.5.0'

/** A user or API token, a path, and privileges. */
export type FakeGrant = [holder: string, path: string, privileges: string[]]

export interface FakePve extends AsyncDisposable {
  /** `https://127.0.0.1:PORT/api2/json` */
  url: string
  caFile: string
}

export const fakePve = {
  node: 'pve',
  storage: 'local-lvm',
  user: 'ann@pve',
  tokenId: 'build',
  secret: '5f0c0c36-3f2b-4f54-9d2e-0a5b9c1f7d11',
  /** Of the user and of root@pam. */
  password: 'correct horse',
} as const

const token = `${fakePve.user}!${fakePve.tokenId}`

/** Python with fakepve, or why there is none. */
export const installFakePve = () => pythonWith(`fakepve-${VERSION}`, [`fakepve[crypto]==${VERSION}`])

/** Starts it on loopback and a free port. Without grants everybody may do everything. It ends with this process. */
export async function startFakePve(python: string, grants: FakeGrant[] = []): Promise<FakePve> {
  const child = spawn(python, [new URL('serve.py', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const { node, secret, password } = fakePve
  child.stdin.write(`${JSON.stringify({ node, secret, password, token, grants })}\n`)
  const started = once(createInterface(child.stdout), 'line').then(([line]) => JSON.parse(line as string))
  const failed = exited.then(([code]) => {
    throw new Error(`fakepve ended with ${code} before it listened`)
  })
  const where = (await Promise.race([started, failed])) as { url: string; caFile: string }
  return {
    ...where,
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await exited
    },
  }
}
