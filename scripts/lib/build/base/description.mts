import type { PlannedImage } from './image.mts'

const PREFIX = 'proxmint-base-'

/** Names the base VM of an image, as Packer's `clone_vm` does. */
export function baseName(image: string): string {
  return `${PREFIX}${image}`
}

/** Reads the image from the name of its base VM. */
export function imageOfBase(name: string): string {
  return name.replace(PREFIX, '')
}

/** Image that a base VM was made from, as its description says. */
interface BaseImage {
  /** Name in the config: `debian-12`. */
  name: string
  /** URL, or `file:` and the path it was uploaded from. */
  url: string
  /** `sha512:` and hexadecimal digits. */
  checksum: string
}

/** Writes the description of a base VM; `imageOf` reads it. */
export function baseDescription({ image, origin, checksum }: PlannedImage, buildId: string): string {
  return [
    'Base VM of proxmint: a cloud image with the guest agent.',
    '',
    `Image ${image}: ${origin}`,
    '',
    `Checksum: ${checksum.algorithm}:${checksum.value}`,
    '',
    `Build ${buildId}.`,
  ].join('\n')
}

/** Reads the image from a base VM's description; undefined if `base import` did not write it. */
export function imageOf(description: string): BaseImage | undefined {
  const [, name, url] = /^Image (\S+): (.+)$/m.exec(description) ?? []
  const [, checksum] = /^Checksum: (sha(?:256|512):[0-9a-f]+)$/m.exec(description) ?? []
  return name === undefined || url === undefined || checksum === undefined
    ? undefined
    : { name, url, checksum }
}
