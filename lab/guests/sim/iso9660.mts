/** Reads the root folder of an ISO 9660 image (ECMA-119), as much as a cloud-init drive needs. */

import { type FileHandle, open } from 'node:fs/promises'

/** Bytes. */
const SECTOR = 2048
/** Sector of the first volume descriptor. */
const FIRST_DESCRIPTOR = 16

interface IsoImage extends AsyncDisposable {
  /** Volume label. */
  label: string
  /** Reads a file in the root folder by its Joliet, Rock Ridge or plain name; undefined if there is none. */
  read(name: string): Promise<Buffer | undefined>
}

interface Volume {
  label: string
  joliet: boolean
  root: Extent
}

interface Extent {
  sector: number
  size: number
}

interface Entry extends Extent {
  name: string
}

/** Opens an ISO image. Returns undefined for a file of another format. */
export async function openIso(path: string): Promise<IsoImage | undefined> {
  const file = await open(path)
  const volume = await readVolume(file).catch(() => undefined)
  if (!volume) {
    await file.close()
    return undefined
  }
  const entries = parseFolder(await readExtent(file, volume.root), volume.joliet)
  return {
    label: volume.label,
    read: async name => {
      const entry = entries.find(entry => entry.name === name)
      return entry && readExtent(file, entry)
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** Finds the Joliet volume, which has the real names; without one, the primary volume. */
async function readVolume(file: FileHandle): Promise<Volume | undefined> {
  let primary: Volume | undefined
  for (let sector = FIRST_DESCRIPTOR; sector < FIRST_DESCRIPTOR + 32; sector++) {
    const block = await readExtent(file, { sector, size: SECTOR })
    if (block.length < SECTOR || block.toString('latin1', 1, 6) !== 'CD001') return primary
    const type = block[0]
    if (type === 255) return primary
    if (type === 1) primary = describeVolume(block, false)
    if (type === 2 && isJoliet(block)) return describeVolume(block, true)
  }
  return primary
}

function isJoliet(descriptor: Buffer): boolean {
  return /^%\/[@CE]/.test(descriptor.toString('latin1', 88, 91))
}

function describeVolume(descriptor: Buffer, joliet: boolean): Volume {
  const label = text(descriptor.subarray(40, 72), joliet).replace(/[\0 ]+$/, '')
  return { label, joliet, root: extentOf(descriptor.subarray(156, 190)) }
}

function extentOf(record: Buffer): Extent {
  return { sector: record.readUInt32LE(2), size: record.readUInt32LE(10) }
}

function parseFolder(data: Buffer, joliet: boolean): Entry[] {
  const entries: Entry[] = []
  let offset = 0
  while (offset < data.length) {
    const length = data[offset]!
    if (length === 0) {
      // A record does not cross sectors. The rest of this sector is padding.
      offset = (Math.floor(offset / SECTOR) + 1) * SECTOR
      continue
    }
    const record = data.subarray(offset, offset + length)
    entries.push({ ...extentOf(record), name: entryName(record, joliet) })
    offset += length
  }
  return entries
}

function entryName(record: Buffer, joliet: boolean): string {
  const nameLength = record[32]!
  const plain = text(record.subarray(33, 33 + nameLength), joliet).replace(/;1$/, '')
  if (joliet) return plain
  const systemUse = record.subarray(33 + nameLength + ((nameLength + 1) % 2))
  return rockRidgeName(systemUse) ?? plain.toLowerCase().replace(/\.$/, '')
}

/** Joins the alternate name of the Rock Ridge extension from its `NM` fields. */
function rockRidgeName(systemUse: Buffer): string | undefined {
  let name = ''
  for (let offset = 0; offset + 4 <= systemUse.length; ) {
    const length = systemUse[offset + 2]!
    if (length < 4) break
    if (systemUse.toString('latin1', offset, offset + 2) === 'NM') {
      name += systemUse.toString('utf8', offset + 5, offset + length)
    }
    offset += length
  }
  return name || undefined
}

function text(bytes: Buffer, joliet: boolean): string {
  if (!joliet) return bytes.toString('latin1')
  return Buffer.from(bytes.subarray(0, bytes.length & ~1))
    .swap16()
    .toString('utf16le')
}

async function readExtent(file: FileHandle, { sector, size }: Extent): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, sector * SECTOR)
  return buffer.subarray(0, bytesRead)
}
