/**
 * Format of images for simulated guests: a tar of a root file system whose first entry describes it. The file has
 * the name of Debian's cloud image (`debian-12-genericcloud-amd64.qcow2`), but it is not a qcow2.
 */

import { open } from 'node:fs/promises'

/** Name of the first entry. */
export const DESCRIPTION_ENTRY = 'proxmint-image.json'

const FORMAT = 'proxmint-sim-image-1'
const BLOCK = 512

interface ImageDescription {
  format: typeof FORMAT
  /** `debian-12`, `debian-13` */
  release: string
  /** Id of the root partition. The image's kernel command line names it. */
  partuuid: string
}

export function describeImage(release: string, partuuid: string): ImageDescription {
  return { format: FORMAT, release, partuuid }
}

/** Returns the first tar entry of an image: a header block and the description, padded to full blocks. */
export function descriptionEntry(description: ImageDescription): Buffer {
  const content = Buffer.from(`${JSON.stringify(description)}\n`)
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)
  return Buffer.concat([tarHeader(DESCRIPTION_ENTRY, content.length), content, padding])
}

/** Reads an image's description. @throws {Error} that says what the file is, if it is not an image of the lab. */
export async function readDescription(imagePath: string): Promise<ImageDescription> {
  const start = await readStart(imagePath, 8 * BLOCK)
  const name = textField(start, 0, 100)
  if (name !== DESCRIPTION_ENTRY) {
    throw new Error(
      `${imagePath} is ${kindOf(start)}: sim guests only read images that the lab made itself ` +
        `(a tar that starts with ${DESCRIPTION_ENTRY}); the lab serves them under /images/`,
    )
  }
  const size = Number.parseInt(textField(start, 124, 12), 8)
  const description = JSON.parse(start.subarray(BLOCK, BLOCK + size).toString()) as ImageDescription
  if (description.format !== FORMAT) {
    throw new Error(`${imagePath} has image format ${description.format}; this lab reads ${FORMAT}`)
  }
  return description
}

/** Bytes of the disk in an image: as large as in Debian's cloud images. */
export const IMAGE_SIZE_BYTES = 3 * 1024 ** 3

/** Reads the bytes of the disk in an image of the lab; undefined for other files. */
export function labImageSize(imagePath: string): Promise<number | undefined> {
  return readDescription(imagePath).then(
    () => IMAGE_SIZE_BYTES,
    () => undefined,
  )
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\u000000', 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

async function readStart(path: string, length: number): Promise<Buffer> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0)
  return buffer.subarray(0, bytesRead)
}

function textField(block: Buffer, offset: number, length: number): string {
  return block
    .subarray(offset, offset + length)
    .toString('latin1')
    .replace(/\0.*$/s, '')
    .trim()
}

function kindOf(start: Buffer): string {
  if (start.subarray(0, 4).toString('latin1') === 'QFI\xfb') return 'a qcow2 image'
  if (start.subarray(257, 262).toString('latin1') === 'ustar') return 'some other tar archive'
  return start.length === 0 ? 'empty' : 'not an image of the lab'
}
