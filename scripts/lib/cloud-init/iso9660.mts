/**
 * A small ISO 9660 image with Joliet names, for cloud-init's NoCloud source: a handful of files in the root
 * folder. Own code, since the programs that do it (xorriso, genisoimage, hdiutil) differ from system to
 * system and none is on all of them. Layout: ECMA-119 and the Joliet specification.
 */
const sectorBytes = 2048
const firstDescriptor = 16
/** Fixed places: two descriptors and their terminator, two path tables of each kind, two root folders. */
const sectors = {
  tableLittle: 19,
  tableBig: 20,
  jolietTableLittle: 21,
  jolietTableBig: 22,
  root: 23,
  jolietRoot: 24,
}
const firstFileSector = 25
const rootRecordBytes = 34
/** One path table holds the root folder alone. */
const pathTableBytes = 10

interface PlacedFile {
  name: string
  content: Buffer
  sector: number
}

type Encode = (name: string) => Buffer

const primaryName: Encode = name => Buffer.from(name, 'latin1')
const jolietName: Encode = name => Buffer.from(name, 'utf16le').swap16()

/**
 * @param label volume label; `cidata` is the one cloud-init looks for.
 * @param files names and contents; all names of the root folder must fit one sector (some 15 files).
 * @throws RangeError when they do not.
 */
export function isoImage(label: string, files: Record<string, string>): Uint8Array<ArrayBuffer> {
  const placed = place(files)
  const last = placed.at(-1)
  const totalSectors = last === undefined ? firstFileSector : last.sector + sectorsOf(last.content)
  const image = Buffer.alloc(totalSectors * sectorBytes)
  const write = (sector: number, data: Buffer): unknown => data.copy(image, sector * sectorBytes)

  write(firstDescriptor, descriptor(1, label, totalSectors, primaryName))
  write(firstDescriptor + 1, descriptor(2, label, totalSectors, jolietName))
  write(firstDescriptor + 2, Buffer.from('\xffCD001\x01', 'latin1'))
  write(sectors.tableLittle, pathTable(sectors.root, 'little'))
  write(sectors.tableBig, pathTable(sectors.root, 'big'))
  write(sectors.jolietTableLittle, pathTable(sectors.jolietRoot, 'little'))
  write(sectors.jolietTableBig, pathTable(sectors.jolietRoot, 'big'))
  write(
    sectors.root,
    folder(sectors.root, placed, file => primaryName(shortName(file.name))),
  )
  write(
    sectors.jolietRoot,
    folder(sectors.jolietRoot, placed, file => jolietName(`${file.name};1`)),
  )
  for (const file of placed) write(file.sector, file.content)
  return new Uint8Array(image.buffer, image.byteOffset, image.length)
}

function place(files: Record<string, string>): PlacedFile[] {
  let sector = firstFileSector
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
  return Math.max(1, Math.ceil(content.length / sectorBytes))
}

/** The name for readers that know no Joliet: capitals, eight characters, version 1. */
function shortName(name: string): string {
  return `${name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '')
    .slice(0, 8)}.;1`
}

/** Type 1 is the primary descriptor, 2 Joliet's. Dates are left zero: "not specified". */
function descriptor(type: 1 | 2, label: string, totalSectors: number, encode: Encode): Buffer {
  const joliet = type === 2
  const d = Buffer.alloc(sectorBytes)
  d.write(String.fromCharCode(type), 0, 'latin1')
  d.write('CD001\x01', 1, 'latin1')
  const blank = encode(' ')
  d.fill(blank, 8, 72).fill(blank, 190, 702)
  d.fill(encode(label.padEnd(joliet ? 16 : 32)), 40, 72)
  bothEndian32(d, 80, totalSectors)
  if (joliet) d.write('%/E', 88, 'latin1')
  bothEndian16(d, 120, 1)
  bothEndian16(d, 124, 1)
  bothEndian16(d, 128, sectorBytes)
  bothEndian32(d, 132, pathTableBytes)
  d.writeUInt32LE(joliet ? sectors.jolietTableLittle : sectors.tableLittle, 140)
  d.writeUInt32BE(joliet ? sectors.jolietTableBig : sectors.tableBig, 148)
  record(joliet ? sectors.jolietRoot : sectors.root, sectorBytes, Buffer.from([0]), true).copy(d, 156)
  d.fill('0', 813, 881, 'latin1')
  for (const end of [829, 846, 863, 880]) d.writeUInt8(0, end)
  d.writeUInt8(1, 881)
  return d
}

function pathTable(rootSector: number, endian: 'little' | 'big'): Buffer {
  const table = Buffer.alloc(pathTableBytes)
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
    record(sector, sectorBytes, Buffer.from([0]), true),
    record(sector, sectorBytes, Buffer.from([1]), true),
    ...files.map(file => record(file.sector, file.content.length, nameOf(file), false)),
  ]
  const data = Buffer.concat(records)
  if (data.length > sectorBytes) throw new RangeError(`${files.length} files do not fit one folder sector`)
  return data
}

/** One entry of a folder: where an extent begins and how many bytes it has. */
function record(sector: number, bytes: number, name: Buffer, isFolder: boolean): Buffer {
  const length = rootRecordBytes - 1 + name.length
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
