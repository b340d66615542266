/** Files on a storage: ISOs, container templates, snippets, import images and backups. */

import { lstat, mkdir, readdir, realpath, rm } from 'node:fs/promises'
import { dirname, join, normalize, relative } from 'node:path'
import { isAccessible, readPlainFile } from '../../core/files.mts'
import { storagesOn } from '../core/cluster.mts'
import { failure, parameterError } from '../core/errors.mts'
import { mountPoint } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { type FileType, listedFormat } from './names.mts'
import { parsedVolume, parseVolumeId, storageOf } from './storages.mts'
import { isFileBased } from './types.mts'

/** Folders of each kind below the storage's folder (PVE/Storage/Plugin.pm). */
const FOLDERS: Record<FileType, string> = {
  iso: 'template/iso',
  vztmpl: 'template/cache',
  snippets: 'snippets',
  import: 'import',
  backup: 'dump',
}

export interface StoredFile {
  volid: string
  content: FileType
  format: string
  /** Absolute path. */
  path: string
  /** Bytes. */
  size: number
  /** Seconds since the epoch. */
  ctime: number
  /** VM of a backup. */
  vmid?: number
  /** Of a backup: `qemu`, `lxc`, ... */
  subtype?: string
  /** First line of a backup's notes. */
  notes?: string
  protected?: 1
}

function isFileType(content: string): content is FileType {
  return Object.hasOwn(FOLDERS, content)
}

function fileFolder(storage: StorageConfig, content: FileType): string {
  return join(storage.path, FOLDERS[content])
}

/** Returns the absolute path of a file of this type and name. The file need not exist. */
export function pathOfFile(storage: StorageConfig, content: FileType, name: string): string {
  return join(fileFolder(storage, content), name)
}

/** Makes the folders of storages, as Proxmox does when it activates a storage. */
export async function createFolders(storages: Record<string, StorageConfig>): Promise<void> {
  for (const storage of Object.values(storages)) {
    const kinds = isFileBased(storage) ? storage.content.filter(isFileType) : []
    const folders = [storage.path, ...kinds.map(kind => fileFolder(storage, kind))]
    await Promise.all(folders.map(makeFolder))
  }
}

/** Makes a folder. A broken link in its place stays: such a storage has no folder, as if it were not mounted. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
  })
}

/** Extensions that uploads may have, with the fault of others (PVE/API2/Storage/Status.pm). */
const EXTENSIONS: Record<'iso' | 'vztmpl' | 'import', { pattern: RegExp; fault: string }> = {
  iso: { pattern: /[^/]+\.(iso|img)$/i, fault: 'wrong file extension' },
  vztmpl: { pattern: /[^/]+\.(tar|tar\.(gz|xz|zst|bz2))$/i, fault: 'wrong file extension' },
  import: {
    pattern: /[a-zA-Z0-9\-.+=_]+\.(ova|qcow2|raw|vmdk)$/,
    fault: 'invalid filename or wrong extension',
  },
}

/** Returns the name under which a file is stored. @throws {ApiError} 400 if its kind does not allow the name. */
export function cleanFilename(content: 'iso' | 'vztmpl' | 'import', filename: string): string {
  const base = filename
    .replace(/\n$/, '')
    .replace(/^.*[/\\]/, '')
    .replace(/[^-a-zA-Z0-9_.]/g, '_')
  const { pattern, fault } = EXTENSIONS[content]
  if (!pattern.test(base)) throw parameterError({ filename: fault })
  return base
}

/**
 * Checks that no link leads out of a storage. A client of the node's SSH can replace a folder of a storage by a link,
 * but not the folder that contains all storages.
 */
async function isInPlace(storage: StorageConfig, folder: string): Promise<boolean> {
  const parent = dirname(storage.path)
  const real = await realpath(folder).catch(() => undefined)
  return real === join(await realpath(parent), relative(parent, folder))
}

/** Checks that a path of the lab lies in a storage of this node, and that no link leads out of it. */
export async function isStored(pve: Pve, path: string): Promise<boolean> {
  const normal = normalize(path)
  const found = storagesOn(pve.store.state, pve.node).find(([, each]) => normal.startsWith(`${each.path}/`))
  return found !== undefined && isInPlace(found[1], normal)
}

/** Returns the folder for new files. @throws {ApiError} if it is missing or a link leads out of the storage. */
export async function requireFolder(pve: Pve, id: string, content: FileType): Promise<string> {
  const storage = storageOf(pve, id)
  const folder = fileFolder(storage, content)
  if (await isInPlace(storage, folder)) return folder
  throw failure(
    `unable to activate storage '${id}' - directory '${mountPoint(id, storage)}' does not exist or is unreachable`,
  )
}

/** Checks for the name of a file that is not complete yet. */
function isIncoming(name: string): boolean {
  return name.endsWith('.tmp_upload') || name.includes('.tmp_dwnl.')
}

/** What the name of a backup tells: its VM, its kind, and its time in seconds since the epoch. */
function backupFacts(name: string): Partial<StoredFile> {
  const [, kind, vmid, date, time] =
    /^vzdump-(lxc|openvz|qemu)-(\d+)-(\d{4}_\d\d_\d\d)-(\d\d_\d\d_\d\d)\./.exec(name) ?? []
  const guest = vmid ?? /-([1-9][0-9]{2,8})-[^/]+$/.exec(name)?.[1]
  const at = date && Date.parse(`${date.replaceAll('_', '-')}T${time!.replaceAll('_', ':')}Z`) / 1000
  return {
    subtype: kind ?? 'unknown',
    ...(guest !== undefined && { vmid: Number(guest) }),
    ...(at && { ctime: at }),
  }
}

/** Reads the notes and the protection of a backup. They are files beside it. */
async function backupMarks(path: string): Promise<Partial<StoredFile>> {
  const notes = await readPlainFile(`${path}.notes`)
  const isProtected = await isAccessible(`${path}.protected`)
  return {
    ...(notes !== undefined && { notes: notes.split('\n')[0]! }),
    ...(isProtected && { protected: 1 }),
  }
}

/** Reads a file's attributes. Returns an empty list for links, other types, and files that are already gone. */
async function storedFile(
  storageId: string,
  folder: string,
  content: FileType,
  name: string,
): Promise<StoredFile[]> {
  const path = join(folder, name)
  const format = listedFormat(content, name)
  const info = format === undefined ? undefined : await lstat(path).catch(() => undefined)
  if (!info?.isFile()) return []
  const volid = `${storageId}:${content}/${name}`
  const file = {
    volid,
    content,
    format: format!,
    path,
    size: info.size,
    ctime: Math.floor(info.ctimeMs / 1000),
  }
  return [content === 'backup' ? { ...file, ...backupFacts(name), ...(await backupMarks(path)) } : file]
}

async function listFolder(
  storageId: string,
  storage: StorageConfig,
  content: FileType,
): Promise<StoredFile[]> {
  const folder = fileFolder(storage, content)
  if (!(await isInPlace(storage, folder))) return []
  const names = (await readdir(folder)).filter(name => !name.startsWith('.') && !isIncoming(name))
  return (await Promise.all(names.map(name => storedFile(storageId, folder, content, name)))).flat()
}

/** Lists the files of all kinds that the storage is configured for. */
export async function listFiles(pve: Pve, storageId: string): Promise<StoredFile[]> {
  const storage = storageOf(pve, storageId)
  if (!isFileBased(storage)) return []
  const kinds = storage.content.filter(isFileType)
  return (await Promise.all(kinds.map(kind => listFolder(storageId, storage, kind)))).flat()
}

/** Finds the file of `local:iso/debian.iso`; undefined if there is none. @throws {ApiError} for a wrong name. */
export async function findFile(pve: Pve, volid: string): Promise<StoredFile | undefined> {
  const id = parseVolumeId(volid)
  const parsed = id && parsedVolume(pve, id)
  if (!parsed || parsed.type === 'images') return undefined
  const storage = storageOf(pve, id.storage)
  const folder = fileFolder(storage, parsed.type)
  if (!(await isInPlace(storage, folder))) return undefined
  return (await storedFile(id.storage, folder, parsed.type, parsed.name))[0]
}

export async function requireFile(pve: Pve, volid: string): Promise<StoredFile> {
  const file = await findFile(pve, volid)
  if (!file) throw failure(`volume '${volid}' does not exist`)
  return file
}

const INCOMING = ['iso', 'vztmpl', 'import'] as const

/** Removes files that were incomplete when a server was killed. */
export async function removeHalfFiles(dataDir: string, storages: StorageConfig[]): Promise<void> {
  await rm(join(dataDir, 'uploads'), { recursive: true, force: true })
  for (const storage of storages.filter(isFileBased))
    await Promise.all(INCOMING.map(content => removeHalfIn(storage, fileFolder(storage, content))))
}

async function removeHalfIn(storage: StorageConfig, folder: string): Promise<void> {
  if (!(await isInPlace(storage, folder))) return
  const names = await readdir(folder).catch(() => [])
  await Promise.all(names.filter(isIncoming).map(name => rm(join(folder, name), { force: true })))
}
