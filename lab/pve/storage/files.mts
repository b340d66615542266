/** ISOs, templates, snippets and import images: plain files in a storage's folders. */

import { lstat, mkdir, readdir, realpath } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { failure, parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { isFileBased, parseVolumeId, storageOf } from './storages.mts'

export type FileContent = 'iso' | 'vztmpl' | 'snippets' | 'import' | 'backup'

/** Where each kind lies below the storage's folder, as on a dir storage of Proxmox. */
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
  /** Absolute. */
  path: string
  /** In bytes. */
  size: number
  /** Seconds since the epoch. */
  ctime: number
}

function isFileContent(content: string): content is FileContent {
  return Object.hasOwn(FOLDERS, content)
}

export function fileFolder(storage: StorageConfig, content: FileContent): string {
  return join(storage.path, FOLDERS[content])
}

/** Makes the folders of every storage, as Proxmox does when it activates one. */
export async function createFolders(storages: Record<string, StorageConfig>): Promise<void> {
  for (const storage of Object.values(storages)) {
    const kinds = isFileBased(storage) ? storage.content.filter(isFileContent) : []
    const folders = [storage.path, ...kinds.map(kind => fileFolder(storage, kind))]
    await Promise.all(folders.map(makeFolder))
  }
}

/** A link that leads nowhere stays: the storage then has no such folder, as one that is not mounted. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
  })
}

/** The extensions Proxmox accepts, each kind's own fault text included. */
const EXTENSIONS: Record<'iso' | 'vztmpl' | 'import', { pattern: RegExp; fault: string }> = {
  iso: { pattern: /^[^/]+\.(iso|img)$/i, fault: 'wrong file extension' },
  vztmpl: { pattern: /^[^/]+\.tar\.(gz|xz|zst|bz2)$/, fault: 'wrong file extension' },
  import: {
    pattern: /^[a-zA-Z0-9_.+=-]+\.(ova|qcow2|raw|vmdk)$/,
    fault: 'invalid filename or wrong extension',
  },
}

/** The name a file is kept under, refused when its kind does not allow it. */
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
 * Whether a folder of a storage lies where it should. Who writes over the node's SSH can put a link in its place,
 * but not in that of the folder all storages lie in.
 */
export async function isInPlace(storage: StorageConfig, folder: string): Promise<boolean> {
  const parent = dirname(storage.path)
  const real = await realpath(folder).catch(() => undefined)
  return real === join(await realpath(parent), relative(parent, folder))
}

/** The folder for new files of a kind. Refused where a link leads out of the storage instead. */
export async function requireFolder(storage: StorageConfig, content: FileContent): Promise<string> {
  const folder = fileFolder(storage, content)
  if (await isInPlace(storage, folder)) return folder
  throw failure(`unable to activate storage - directory '${folder}' does not exist or is unreachable`)
}

/** Links are no files of a storage, wherever they lead; and a file can be gone before it is looked at. */
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

/** Not whole yet. */
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

/** The files of the kinds this storage is configured for. */
export async function listFiles(pve: Pve, storageId: string): Promise<StoredFile[]> {
  const storage = storageOf(pve, storageId)
  if (!isFileBased(storage)) return []
  const kinds = storage.content.filter(isFileContent)
  return (await Promise.all(kinds.map(kind => listFolder(storageId, storage, kind)))).flat()
}

/** The file behind `local:iso/debian.iso`; undefined when the id names no file or there is none. */
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
