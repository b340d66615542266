/** Files on a storage: ISOs, container templates, snippets, import images and backups. */

import { lstat, mkdir, readdir, realpath, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { failure, parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { parseVolumeId, storageOf } from './storages.mts'
import { isFileBased } from './types.mts'

type FileContent = 'iso' | 'vztmpl' | 'snippets' | 'import' | 'backup'

/** Folders of each kind below the storage's folder (PVE/Storage/Plugin.pm). */
const FOLDERS: Record<FileContent, string> = {
  iso: 'template/iso',
  vztmpl: 'template/cache',
  snippets: 'snippets',
  import: 'import',
  backup: 'dump',
}

export interface StoredFile {
  volid: string
  content: FileContent
  format: string
  /** Absolute path. */
  path: string
  /** Bytes. */
  size: number
  /** Seconds since the epoch. */
  ctime: number
}

function isFileContent(content: string): content is FileContent {
  return Object.hasOwn(FOLDERS, content)
}

function fileFolder(storage: StorageConfig, content: FileContent): string {
  return join(storage.path, FOLDERS[content])
}

/** Makes the folders of storages, as Proxmox does when it activates a storage. */
export async function createFolders(storages: Record<string, StorageConfig>): Promise<void> {
  for (const storage of Object.values(storages)) {
    const kinds = isFileBased(storage) ? storage.content.filter(isFileContent) : []
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

/** Extensions that Proxmox accepts, with its error text for others. */
const EXTENSIONS: Record<'iso' | 'vztmpl' | 'import', { pattern: RegExp; fault: string }> = {
  iso: { pattern: /^[^/]+\.(iso|img)$/i, fault: 'wrong file extension' },
  vztmpl: { pattern: /^[^/]+\.tar\.(gz|xz|zst|bz2)$/, fault: 'wrong file extension' },
  import: {
    pattern: /^[a-zA-Z0-9_.+=-]+\.(ova|qcow2|raw|vmdk)$/,
    fault: 'invalid filename or wrong extension',
  },
}

/** Returns the name under which a file is stored. @throws {ApiError} 400 if its kind does not allow the name. */
export function cleanFilename(content: 'iso' | 'vztmpl' | 'import', filename: string): string {
  const base = filename.replace(/^.*[/\\]/, '').replace(/[^-a-zA-Z0-9_.]/g, '_')
  const { pattern, fault } = EXTENSIONS[content]
  if (base.startsWith('.') || !pattern.test(base)) throw parameterError({ filename: fault })
  return base
}

function formatOf(content: FileContent, name: string): string {
  return content === 'snippets'
    ? 'snippet'
    : (/\.(t[a-z]+|[a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? 'raw')
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

/** Returns the folder for new files. @throws {ApiError} if it is missing or a link leads out of the storage. */
export async function requireFolder(storage: StorageConfig, content: FileContent): Promise<string> {
  const folder = fileFolder(storage, content)
  if (await isInPlace(storage, folder)) return folder
  throw failure(`unable to activate storage - directory '${folder}' does not exist or is unreachable`)
}

/** Reads a file's attributes. Returns an empty list for links, and for files that are already gone. */
async function readFile(
  storageId: string,
  folder: string,
  content: FileContent,
  name: string,
): Promise<StoredFile[]> {
  const path = join(folder, name)
  const info = await lstat(path).catch(() => undefined)
  if (!info?.isFile()) return []
  const file: StoredFile = {
    volid: `${storageId}:${content}/${name}`,
    content,
    format: formatOf(content, name),
    path,
    size: info.size,
    ctime: Math.floor(info.ctimeMs / 1000),
  }
  return [file]
}

/** Checks for the name of a file that is not complete yet. */
function isIncoming(name: string): boolean {
  return name.endsWith('.tmp_upload') || name.includes('.tmp_dwnl.')
}

async function listFolder(
  storageId: string,
  storage: StorageConfig,
  content: FileContent,
): Promise<StoredFile[]> {
  const folder = fileFolder(storage, content)
  if (!(await isInPlace(storage, folder))) return []
  const names = (await readdir(folder)).filter(name => !name.startsWith('.') && !isIncoming(name))
  return (await Promise.all(names.map(name => readFile(storageId, folder, content, name)))).flat()
}

/** Lists the files of all kinds that the storage is configured for. */
export async function listFiles(pve: Pve, storageId: string): Promise<StoredFile[]> {
  const storage = storageOf(pve, storageId)
  if (!isFileBased(storage)) return []
  const kinds = storage.content.filter(isFileContent)
  return (await Promise.all(kinds.map(kind => listFolder(storageId, storage, kind)))).flat()
}

/** Finds the file of `local:iso/debian.iso`; undefined if there is none. */
export async function findFile(pve: Pve, volid: string): Promise<StoredFile | undefined> {
  const id = parseVolumeId(volid)
  if (!id || !pve.store.state.storages[id.storage]) return undefined
  return (await listFiles(pve, id.storage)).find(file => file.volid === volid)
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
