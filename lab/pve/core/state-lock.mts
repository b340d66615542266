/**
 * A lock that gives a state folder to one server. It is a Unix socket on which the holder listens. The kernel frees it
 * when the holder dies. Others can connect and read who holds it, even from another process namespace.
 */

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { unlessMissing } from '../../core/files.mts'
import { LabError } from '../../core/lab-error.mts'
import { closeServer, listenOn } from '../../core/listen.mts'

interface Holder {
  pid: number
  /** Time in ISO 8601. */
  since: string
}

export interface StateLock {
  release(): Promise<void>
}

const NAME = 'lock'

/** Asks a socket for its holder; undefined if the holder is gone. */
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

async function listen(path: string, holder: Holder): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.end(JSON.stringify(holder))
  })
  await listenOn(server, { path })
  return server
}

function refusal(folder: string, { pid, since }: Holder): LabError {
  return new LabError(
    `the state in ${folder} is in use by process ${pid}, since ${since}`,
    'end that process, or give this one a state folder of its own',
  )
}

/** Removes the lock of a dead server. If its holder is alive after all, puts the lock back and throws. */
async function takeOver(path: string, folder: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  await rename(path, aside).catch(unlessMissing)
  const holder = await holderOf(aside)
  if (!holder) return rm(aside, { force: true })
  await rename(aside, path)
  throw refusal(folder, holder)
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

/** Open folders of held locks. Without this reference the garbage collector would close them. */
const held = new Set<FileHandle>()

async function release(server: Server, handle: FileHandle): Promise<void> {
  held.delete(handle)
  await closeServer(server)
  await handle.close()
}

/**
 * Takes a state folder for this process, even from a process that died.
 * @param pid process to name to others. In a process namespace it differs from `process.pid`.
 * @throws {LabError} that says who has the folder and since when.
 */
export async function lockState(folder: string, pid: number): Promise<StateLock> {
  await mkdir(folder, { recursive: true })
  const handle = await open(folder, 'r')
  // This path is short: at most 107 bytes are allowed for a socket.
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
