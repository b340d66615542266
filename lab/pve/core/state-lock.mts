/**
 * One server per state folder. The lock is a Unix socket that its holder listens on: the kernel lets go of it when
 * the holder dies, however that happens, and whoever asks is told who holds it, across process namespaces too.
 */

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { LabError } from '../../core/lab-error.mts'

interface Holder {
  pid: number
  /** ISO 8601. */
  since: string
}

export interface StateLock {
  release(): Promise<void>
}

const NAME = 'lock'

/** Undefined when the socket's owner is gone. */
async function holderOf(path: string): Promise<Holder | undefined> {
  const socket = connect(path)
  try {
    return JSON.parse(await text(socket)) as Holder
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return undefined
    throw error
  } finally {
    socket.destroy()
  }
}

function listen(path: string, holder: Holder): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.end(JSON.stringify(holder))
  })
  return new Promise((resolve, reject) => server.once('error', reject).listen(path, () => resolve(server)))
}

function refusal(folder: string, { pid, since }: Holder): LabError {
  return new LabError(
    `the state in ${folder} is in use by process ${pid}, since ${since}`,
    'end that process, or give this one a state folder of its own',
  )
}

/** Clears the lock of a dead server away; one that turns out to be alive after all gets its own back. */
async function takeOver(path: string, folder: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  await rename(path, aside).catch(ignoreMissing)
  const holder = await holderOf(aside)
  if (!holder) return rm(aside, { force: true })
  await rename(aside, path)
  throw refusal(folder, holder)
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

async function acquire(path: string, folder: string, holder: Holder): Promise<Server> {
  try {
    return await listen(path, holder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  }
  const other = await holderOf(path)
  if (other) throw refusal(folder, other)
  await takeOver(path, folder)
  return acquire(path, folder, holder)
}

/** Held here too, since a folder that is collected as garbage is closed. */
const held = new Set<FileHandle>()

async function release(server: Server, handle: FileHandle): Promise<void> {
  held.delete(handle)
  await new Promise<void>(resolve => server.close(() => resolve()))
  await handle.close()
}

/**
 * Takes a state folder for this process, also from one that died.
 * @param pid of the process to name to others; inside a namespace it is not one's own.
 * @throws {LabError} that says who has the folder and since when.
 */
export async function lockState(folder: string, pid: number): Promise<StateLock> {
  await mkdir(folder, { recursive: true })
  const handle = await open(folder, 'r')
  // By way of the open folder, since a socket's path may have 107 bytes only.
  const path = `/proc/self/fd/${handle.fd}/${NAME}`
  try {
    const server = await acquire(path, folder, { pid, since: new Date().toISOString() })
    server.unref()
    held.add(handle)
    return { release: () => release(server, handle) }
  } catch (error) {
    await handle.close()
    throw error
  }
}
