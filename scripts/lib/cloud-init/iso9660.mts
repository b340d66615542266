/**
 * Small ISO 9660 images with Joliet names, for cloud-init's NoCloud source: some files in the root folder. The usual
 * programs (xorriso, genisoimage, hdiutil) differ between systems, so this is own code. Layout: ECMA-119 and the Joliet
 * specification.
 */
const SECTOR_BYTES = 2048
const FIRST_DESCRIPTOR = 16
/** Fixed SECTORS: two path tables of each kind, two root folders. Two descriptors and their terminator come before. */
const SECTORS = {
  tableLittle: 19,
  tableBig: 20,
  jolietTableLittle: 21,
  jolietTableBig: 22,
  root: 23,
  jolietRoot: 24,
}
const FIRST_FILE_SECTOR = 25
const ROOT_RECORD_BYTES = 34
/** A path table contains only the root folder. */
const PATH_TABLE_BYTES = 10

interface PlacedFile {
  name: string
  content: Buffer
  sector: number
}

type Encode = (name: string) => Buffer

function primaryName(name: string): Buffer {
  return Buffer.from(name, 'latin1')
}

function jolietName(name: string): Buffer {
  return Buffer.from(name, 'utf16le').swap16()
}

/**
 * Creates an image.
 * @param label Volume label; cloud-init looks for `cidata`.
 * @param files Names and contents. All names must fit into one sector (some 15 files).
 * @throws RangeError If they do not fit.
 */
export function isoImage(label: string, files: Record<string, string>): Uint8Array<ArrayBuffer> {
  const placed = place(files)
  const last = placed.at(-1)
  const totalSectors = last === undefined ? FIRST_FILE_SECTOR : last.sector + sectorsOf(last.content)
  const image = Buffer.alloc(totalSectors * SECTOR_BYTES)
  const write = (sector: number, data: Buffer): unknown => data.copy(image, sector * SECTOR_BYTES)

  write(FIRST_DESCRIPTOR, descriptor(1, label, totalSectors, primaryName))
  write(FIRST_DESCRIPTOR + 1, descriptor(2, label, totalSectors, jolietName))
  write(FIRST_DESCRIPTOR + 2, Buffer.from('\xffCD001\x01', 'latin1'))
  write(SECTORS.tableLittle, pathTable(SECTORS.root, 'little'))
  write(SECTORS.tableBig, pathTable(SECTORS.root, 'big'))
  write(SECTORS.jolietTableLittle, pathTable(SECTORS.jolietRoot, 'little'))
  write(SECTORS.jolietTableBig, pathTable(SECTORS.jolietRoot, 'big'))
  write(
    SECTORS.root,
    folder(SECTORS.root, placed, file => primaryName(shortName(file.name))),
  )
  write(
    SECTORS.jolietRoot,
    folder(SECTORS.jolietRoot, placed, file => jolietName(`${file.name};1`)),
  )
  for (const file of placed) write(file.sector, file.content)
  return new Uint8Array(image.buffer, image.byteOffset, image.length)
}

function place(files: Record<string, string>): PlacedFile[] {
  let sector = FIRST_FILE_SECTOR
  return Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => {
      const content = Buffer.from(text, 'utf8')
      const file = { name, content, sector }
      sector += sectorsOf(content)
      return file
    })
}

function sectorsOf(content: Buffer): number {
  return Math.max(1, Math.ceil(content.length / SECTOR_BYTES))
}

/** Name for readers without Joliet: at most eight capitals, version 1. */
function shortName(name: string): string {
  return `${name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '')
    .slice(0, 8)}.;1`
}

/** Volume descriptor: type 1 is the primary one, 2 that of Joliet. Zero as a date means "not specified". */
function descriptor(type: 1 | 2, label: string, totalSectors: number, encode: Encode): Buffer {
  const joliet = type === 2
  const d = Buffer.alloc(SECTOR_BYTES)
  d.write(String.fromCharCode(type), 0, 'latin1')
  d.write('CD001\x01', 1, 'latin1')
  const blank = encode(' ')
  d.fill(blank, 8, 72).fill(blank, 190, 702)
  d.fill(encode(label.padEnd(joliet ? 16 : 32)), 40, 72)
  bothEndian32(d, 80, totalSectors)
  if (joliet) d.write('%/E', 88, 'latin1')
  bothEndian16(d, 120, 1)
  bothEndian16(d, 124, 1)
  bothEndian16(d, 128, SECTOR_BYTES)
  bothEndian32(d, 132, PATH_TABLE_BYTES)
  d.writeUInt32LE(joliet ? SECTORS.jolietTableLittle : SECTORS.tableLittle, 140)
  d.writeUInt32BE(joliet ? SECTORS.jolietTableBig : SECTORS.tableBig, 148)
  record(joliet ? SECTORS.jolietRoot : SECTORS.root, SECTOR_BYTES, Buffer.from([0]), true).copy(d, 156)
  d.fill('0', 813, 881, 'latin1')
  for (const end of [829, 846, 863, 880]) d.writeUInt8(0, end)
  d.writeUInt8(1, 881)
  return d
}

function pathTable(rootSector: number, endian: 'little' | 'big'): Buffer {
  const table = Buffer.alloc(PATH_TABLE_BYTES)
  table.writeUInt8(1, 0)
  if (endian === 'little') {
    table.writeUInt32LE(rootSector, 2)
    table.writeUInt16LE(1, 6)
  } else {
    table.writeUInt32BE(rootSector, 2)
    table.writeUInt16BE(1, 6)
  }
  return table
}

function folder(sector: number, files: PlacedFile[], nameOf: (file: PlacedFile) => Buffer): Buffer {
  const records = [
    record(sector, SECTOR_BYTES, Buffer.from([0]), true),
    record(sector, SECTOR_BYTES, Buffer.from([1]), true),
    ...files.map(file => record(file.sector, file.content.length, nameOf(file), false)),
  ]
  const data = Buffer.concat(records)
  if (data.length > SECTOR_BYTES) throw new RangeError(`${files.length} files do not fit one folder sector`)
  return data
}

/** Entry of a folder: first sector and length in bytes. */
function record(sector: number, bytes: number, name: Buffer, isFolder: boolean): Buffer {
  const length = ROOT_RECORD_BYTES - 1 + name.length
  const r = Buffer.alloc(length + (length % 2))
  r.writeUInt8(r.length, 0)
  bothEndian32(r, 2, sector)
  bothEndian32(r, 10, bytes)
  r.writeUInt8(isFolder ? 2 : 0, 25)
  bothEndian16(r, 28, 1)
  r.writeUInt8(name.length, 32)
  name.copy(r, 33)
  return r
}

function bothEndian16(buffer: Buffer, offset: number, value: number): void {
  buffer.writeUInt16LE(value, offset)
  buffer.writeUInt16BE(value, offset + 2)
}

function bothEndian32(buffer: Buffer, offset: number, value: number): void {
  buffer.writeUInt32LE(value, offset)
  buffer.writeUInt32BE(value, offset + 4)
}
