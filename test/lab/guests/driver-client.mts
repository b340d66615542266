import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GuestExit, GuestStart } from '../../../lab/guests/driver.mts'
import { ensureImage, type Image } from '../../../lab/guests/image/image.mts'
import { PACKAGES_URL } from '../../../lab/network/file-server.mts'
import { chooseIsolation, isolatedCommand, joiningCommand } from '../../../lab/network/namespace.mts'

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

export interface DriverClient {
  folder: string
  image: Image
  call(name: 'start', guest: GuestStart): Promise<void>
  call(name: 'exited', vmid: number): Promise<GuestExit>
  call(name: 'console', vmid: number): Promise<string>
  // biome-ignore lint/suspicious/noExplicitAny: the agent answers whatever the command is defined to
  call(name: string, ...args: unknown[]): Promise<any>
  /** Runs a program in the lab's network. */
  exec(argv: string[], input?: string): Promise<Ran>
  close(): Promise<void>
}

interface Reply {
  id: number
  value?: unknown
  error?: string
  kind?: string
}

/** The sim driver in a namespace of its own, without the API server. */
export async function startDriver(): Promise<DriverClient> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-driver-'))
  const image = await ensureImage('debian-12', { packageSourceUrl: PACKAGES_URL })
  const isolation = await chooseIsolation()
  const host = join(import.meta.dirname, 'driver-host.mts')
  const [file, ...args] = isolatedCommand(isolation, [
    process.execPath,
    host,
    JSON.stringify([folder, image]),
  ])
  const child = spawn(file!, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const pending = new Map<number, (reply: Reply) => void>()
  let last = 0
  const ready = new Promise<Reply>(resolve => pending.set(0, resolve))
  child.on('message', (reply: Reply) => pending.get(reply.id)?.(reply))
  await ready
  return {
    folder,
    image,
    // biome-ignore lint/suspicious/noExplicitAny: see DriverClient
    async call(name: string, ...args: unknown[]): Promise<any> {
      const id = ++last
      const reply = await new Promise<Reply>(resolve => {
        pending.set(id, resolve)
        child.send({ id, name, args })
      })
      if (reply.error !== undefined) throw Object.assign(new Error(reply.error), { name: reply.kind })
      return reply.value
    },
    exec: (argv, input) => runProgram(joiningCommand(isolation, child.pid!, argv), input),
    async close() {
      const closed = new Promise(resolve => child.once('exit', resolve))
      child.disconnect()
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function runProgram([file, ...args]: string[], input?: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
    child.stdin.end(input)
  })
}
