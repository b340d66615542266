import { describe, expect, test } from 'vitest'
import { baseDescription, imageOf } from '../../../scripts/lib/build/base/description.mts'

const planned = {
  image: 'ubuntu-26.04',
  origin: 'https://images.example.net/ubuntu-26.04.img',
  filename: 'proxmint-ubuntu-26.04-abababababab.qcow2',
  volid: 'local:import/proxmint-ubuntu-26.04-abababababab.qcow2',
  checksum: { algorithm: 'sha256' as const, value: 'ab'.repeat(32) },
  present: false,
}
const image = {
  name: 'ubuntu-26.04',
  url: 'https://images.example.net/ubuntu-26.04.img',
  checksum: `sha256:${'ab'.repeat(32)}`,
}

describe("the image in a base VM's description", () => {
  test('is read as it was written', () => {
    expect(imageOf(baseDescription(planned, 'c0ffee'))).toEqual(image)
  })

  test('of a file, with spaces in its path', () => {
    const origin = 'file:/srv/my images/nixos.qcow2'
    expect(imageOf(baseDescription({ ...planned, image: 'nixos', origin }, 'c0ffee'))).toEqual({
      ...image,
      name: 'nixos',
      url: origin,
    })
  })

  test('with a line of a person above and below', () => {
    expect(imageOf(`Do not delete!\n${baseDescription(planned, 'c0ffee')}\nThanks.`)).toEqual(image)
  })

  test.each([
    ['nothing', ''],
    ['a base VM of an older proxmint', 'Base VM of proxmint: an official cloud image. Build c0ffee.'],
    ['no checksum', 'Image debian-12: https://images.example.net/debian-12.qcow2'],
    [
      'a checksum that is none',
      `Image debian-12: https://x.example.net/y.qcow2\n\nChecksum: md5:${'ab'.repeat(16)}`,
    ],
  ])('%s: none', (_, description) => {
    expect(imageOf(description)).toBeUndefined()
  })
})
