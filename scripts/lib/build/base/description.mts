import type { PlannedImage } from './image.mts'

/** The image a base VM was made of, as its description tells. */
export interface BaseImage {
  /** Of the config: `debian-12`. */
  name: string
  /** Or `file:` and the path it was uploaded from. */
  url: string
  /** `sha512:` and hexadecimal digits. */
  checksum: string
}

/** What stands in the description of a base VM; `imageOf` reads it again. */
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

/** The image that a base VM's description names; undefined where `base import` did not write it. */
export function imageOf(description: string): BaseImage | undefined {
  const [, name, url] = /^Image (\S+): (.+)$/m.exec(description) ?? []
  const [, checksum] = /^Checksum: (sha(?:256|512):[0-9a-f]+)$/m.exec(description) ?? []
  return name === undefined || url === undefined || checksum === undefined
    ? undefined
    : { name, url, checksum }
}
