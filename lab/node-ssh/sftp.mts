/** SFTP on the files below one folder, version 3 of the protocol (`draft-ietf-secsh-filexfer-02`). */

import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, rename, rmdir, unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import ssh2, { type Attributes, type FileEntry, type SFTPWrapper } from 'ssh2'
import { atBeneath, listBeneath, type NodeError, openBeneath } from './beneath.mts'
import { keptPath, type Mount } from './mounts.mts'

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp

interface Listing {
  /** Entries that READDIR has not sent yet. */
  entries: FileEntry[]
}

type Opened = FileHandle | Listing

/** Files and folders that a client has open, by the number of their handle. */
interface Session {
  root: string
  /** Returns the lab's path for a path of the node. */
  kept(path: string): string
  opened: Map<number, Opened>
  last: number
}

/** Sends an answer that is more than a bare "done". */
type Reply = (sftp: SFTPWrapper, request: number) => void

type Operation = (session: Session, ...args: never[]) => Promise<Reply | undefined>

/** Serves until the client closes the channel, then closes what it left open. ssh2 refuses other requests. */
export function serveSftp(sftp: SFTPWrapper, root: string, mounts: readonly Mount[]): void {
  const kept = (path: string): string => keptPath(root, mounts, path)
  const session: Session = { root, kept, opened: new Map(), last: 0 }
  for (const [name, operation] of Object.entries(OPERATIONS))
    sftp.on(name, (request: number, ...args: unknown[]) =>
      answer(sftp, request, () => operation(session, ...(args as never[]))),
    )
  // Bytes that are not SFTP end the channel. Without a listener the error would end the lab.
  sftp.on('error', () => sftp.end())
  sftp.once('end', () => sftp.end())
  sftp.once('close', () => closeAll(session))
}

async function answer(
  sftp: SFTPWrapper,
  request: number,
  operate: () => Promise<Reply | undefined>,
): Promise<void> {
  try {
    const reply = await operate()
    if (reply) reply(sftp, request)
    else sftp.status(request, STATUS_CODE.OK)
  } catch (error) {
    sftp.status(
      request,
      statusOf(error as NodeError),
      (error as Error).message.replace(/\/proc\/self\/fd\/\d+\//g, ''),
    )
  }
}

function statusOf({ code }: NodeError): number {
  if (code === 'EOF') return STATUS_CODE.EOF
  if (code === 'ENOENT' || code === 'ENOTDIR') return STATUS_CODE.NO_SUCH_FILE
  if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') return STATUS_CODE.PERMISSION_DENIED
  return STATUS_CODE.FAILURE
}

function closeAll({ opened }: Session): void {
  for (const each of opened.values()) if (!isListing(each)) each.close().catch(() => undefined)
  opened.clear()
}

function isListing(opened: Opened): opened is Listing {
  return 'entries' in opened
}

function endOfFile(): NodeError {
  return Object.assign(new Error('end of file'), { code: 'EOF' })
}

function keep(session: Session, opened: Opened): Reply {
  session.last += 1
  session.opened.set(session.last, opened)
  const handle = Buffer.alloc(4)
  handle.writeUInt32BE(session.last)
  return (sftp, request) => sftp.handle(request, handle)
}

function numberOf(handle: Buffer): number {
  return handle.length === 4 ? handle.readUInt32BE() : 0
}

function fileOf(session: Session, handle: Buffer): FileHandle {
  const opened = session.opened.get(numberOf(handle))
  if (!opened || isListing(opened)) throw new Error('no such file handle')
  return opened
}

/** Translates the bits of SFTP's OPEN to those of open(2). */
function openFlags(bits: number): number {
  const writes = (bits & OPEN_MODE.WRITE) !== 0
  const reads = (bits & OPEN_MODE.READ) !== 0
  const access = writes ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY
  const more = [
    [OPEN_MODE.APPEND, constants.O_APPEND],
    [OPEN_MODE.CREAT, constants.O_CREAT],
    [OPEN_MODE.TRUNC, constants.O_TRUNC],
    [OPEN_MODE.EXCL, constants.O_EXCL],
  ] as const
  return more.reduce((flags, [bit, flag]) => ((bits & bit) === 0 ? flags : flags | flag), access)
}

/** Changes mode and length of a file. Other attributes are ignored: files belong to root, and times are the node's. */
async function change(file: FileHandle, { mode, size }: Partial<Attributes>): Promise<undefined> {
  if (mode !== undefined) await file.chmod(mode & 0o7777)
  if (size !== undefined) await file.truncate(size)
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}

function attributesOf(info: Stats): Attributes {
  return {
    mode: info.mode,
    uid: info.uid,
    gid: info.gid,
    size: info.size,
    atime: seconds(info.atimeMs),
    mtime: seconds(info.mtimeMs),
  }
}

function kindOf(info: Stats): '-' | 'd' | 'l' {
  return info.isDirectory() ? 'd' : info.isSymbolicLink() ? 'l' : '-'
}

function permissionsOf({ mode }: Stats): string {
  return [6, 3, 0]
    .flatMap(shift => ['r', 'w', 'x'].map((letter, bit) => ((mode >> shift) & (4 >> bit) ? letter : '-')))
    .join('')
}

/** Returns a line as of `ls -l`. Clients print it as it is. */
function longNameOf(name: string, info: Stats): string {
  const date = info.mtime.toISOString().slice(0, 16).replace('T', ' ')
  const size = String(info.size).padStart(9)
  return `${kindOf(info)}${permissionsOf(info)} ${info.nlink} ${info.uid} ${info.gid} ${size} ${date} ${name}`
}

async function read(file: FileHandle, offset: number, length: number): Promise<Reply> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset)
  if (bytesRead === 0 && length > 0) throw endOfFile()
  return (sftp, request) => sftp.data(request, buffer.subarray(0, bytesRead))
}

async function list(root: string, path: string): Promise<Listing> {
  return {
    entries: await listBeneath(root, path, async (filename, entry) => {
      const info = await lstat(entry)
      return { filename, longname: longNameOf(filename, info), attrs: attributesOf(info) }
    }),
  }
}

const LONGEST_READ_BYTES = 256 * 1024
const NAMES_AT_ONCE = 100

function attributesAt(session: Session, path: string): Promise<Reply> {
  return atBeneath(session.root, session.kept(path), async (entry): Promise<Reply> => {
    const attributes = attributesOf(await lstat(entry))
    return (sftp, request) => sftp.attrs(request, attributes)
  })
}

async function done(work: Promise<unknown>): Promise<undefined> {
  return void (await work)
}

const OPERATIONS: Record<string, Operation> = {
  OPEN: async (session, path: string, flags: number, { mode }: Partial<Attributes>) =>
    keep(session, await openBeneath(session.root, session.kept(path), openFlags(flags), mode)),
  READ: (session, handle: Buffer, offset: number, length: number) =>
    read(fileOf(session, handle), offset, Math.min(length, LONGEST_READ_BYTES)),
  WRITE: async (session, handle: Buffer, offset: number, data: Buffer) =>
    done(fileOf(session, handle).write(data, 0, data.length, offset)),
  FSTAT: async (session, handle: Buffer) => {
    const attributes = attributesOf(await fileOf(session, handle).stat())
    return (sftp, request) => sftp.attrs(request, attributes)
  },
  FSETSTAT: async (session, handle: Buffer, wanted: Partial<Attributes>) =>
    change(fileOf(session, handle), wanted),
  CLOSE: async (session, handle: Buffer) => {
    const opened = session.opened.get(numberOf(handle))
    if (!opened) throw new Error('no such handle')
    session.opened.delete(numberOf(handle))
    if (!isListing(opened)) await opened.close()
    return undefined
  },
  OPENDIR: async (session, path: string) => keep(session, await list(session.root, session.kept(path))),
  READDIR: async (session, handle: Buffer) => {
    const opened = session.opened.get(numberOf(handle))
    if (!opened || !isListing(opened)) throw new Error('no such folder handle')
    const names = opened.entries.splice(0, NAMES_AT_ONCE)
    if (names.length === 0) throw endOfFile()
    return (sftp, request) => sftp.name(request, names)
  },
  LSTAT: attributesAt,
  // Nothing follows links here, so both calls answer with the link's own attributes.
  STAT: attributesAt,
  SETSTAT: async (session, path: string, wanted: Partial<Attributes>) => {
    const flags = wanted.size === undefined ? constants.O_RDONLY : constants.O_RDWR
    const file = await openBeneath(session.root, session.kept(path), flags)
    return change(file, wanted).finally(() => file.close())
  },
  MKDIR: (session, path: string, { mode }: Partial<Attributes>) =>
    done(atBeneath(session.root, session.kept(path), entry => mkdir(entry, mode ?? 0o755))),
  RMDIR: (session, path: string) => done(atBeneath(session.root, session.kept(path), entry => rmdir(entry))),
  REMOVE: (session, path: string) =>
    done(atBeneath(session.root, session.kept(path), entry => unlink(entry))),
  RENAME: (session, from: string, to: string) =>
    done(
      atBeneath(session.root, session.kept(from), source =>
        atBeneath(session.root, session.kept(to), target => rename(source, target)),
      ),
    ),
  REALPATH: async (session, path: string) => {
    const filename = resolve(session.root, path)
    return (sftp, request) => sftp.name(request, [{ filename, longname: filename, attrs: {} as Attributes }])
  },
}
