/** The web server of the recorded downloads, with the same small files. */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { qcow2Image } from '../../answers/content.mts'
import type { Renamed } from '../../answers/normal.mts'

/** Where it was when the answers were recorded, and the sum of the image there, which another qemu-img had made. */
const RECORDED_URL = 'http://127.0.0.1:8099'
const RECORDED_SUM =
  '99f15c430fcde3202c34c1d7ca6425661fab8083643f1ccab426cb19a11ee29d793a6d7f24797048902441d73c858419c217f28c168eaf469ac747cab09786fe'

const image = qcow2Image(1_073_741_824)
const FILES: Record<string, Buffer> = { '/tiny.qcow2': image, '/SHA512SUMS': Buffer.from('no image\n') }

export interface Files {
  /** Words of the recorded requests, and what they are here. */
  renamed: Renamed
  close(): void
}

/** Serves the files on a free port. */
export async function serveFiles(): Promise<Files> {
  const server = createServer(({ url = '' }, response) => {
    const bytes = FILES[url]
    response.writeHead(bytes ? 200 : 404, bytes ? 'OK' : 'File not found', {
      'Content-Type': 'application/octet-stream',
      ...(bytes && { 'Content-Length': bytes.length }),
    })
    response.end(bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sum = createHash('sha512').update(image).digest('hex')
  return {
    renamed: [
      [here, RECORDED_URL],
      [sum, RECORDED_SUM],
    ],
    close: () => server.close(),
  }
}
