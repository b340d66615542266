import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { checksumList, type Image } from '../guests/image/image.mts'
import { BRIDGE_ADDRESS } from './addresses.mts'

const BASE_URL = `http://${BRIDGE_ADDRESS}`

/** Below it one flat apt repository per image: `/packages/debian-12/`. */
export const PACKAGES_URL = `${BASE_URL}/packages`

/** Below it the images and their SHA512SUMS. They are no qcow2 files: see lab/guests/image/format.mts. */
export const IMAGES_URL = `${BASE_URL}/images`

/** Serves images and packages to the lab's node and guests, as a Debian mirror would. Read only. */
export async function serveFiles(images: Image[]): Promise<Server> {
  const server = createServer((request, response) => {
    answer(images, request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(80, BRIDGE_ADDRESS, resolve)
  })
  return server
}

async function answer(images: Image[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(new URL(request.url ?? '/', BASE_URL).pathname)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  if (path === '/images/SHA512SUMS') {
    response.writeHead(200, { 'content-type': 'text/plain' }).end(checksumList(images))
    return
  }
  const file = locate(images, path)
  const size = file === undefined ? undefined : await fileSize(file)
  if (file === undefined || size === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n')
    return
  }
  sendFile(request, response, file, size)
}

/** Only names that are listed here lead to a file: no path of the request reaches the file system otherwise. */
function locate(images: Image[], path: string): string | undefined {
  const [, area, first, second, ...rest] = path.split('/')
  if (rest.length > 0) return undefined
  if (area === 'images' && second === undefined) return images.find(image => image.fileName === first)?.path
  const image = area === 'packages' ? images.find(image => image.name === first) : undefined
  return image && second && /^[\w][\w.+~%:-]*$/.test(second) ? join(image.packages, second) : undefined
}

async function fileSize(path: string): Promise<number | undefined> {
  return stat(path).then(
    found => (found.isFile() ? found.size : undefined),
    () => undefined,
  )
}

/** A range is answered with the whole file, which a client must accept. */
function sendFile(request: IncomingMessage, response: ServerResponse, path: string, size: number): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
  if (request.method === 'HEAD') response.end()
  else
    createReadStream(path)
      .on('error', () => response.destroy())
      .pipe(response)
}
