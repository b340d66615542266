/** An HTTP server of images and packages. */

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type Address, listenOn } from '../core/listen.mts'
import { checksumList, type Image } from '../images/image.mts'
import type { LabNetwork } from './lab-network.mts'

type Urls = Pick<LabNetwork, 'imagesUrl' | 'packagesUrl'>

/** Serves images and packages to the lab's node and guests, as a Debian mirror does. Clients can only read. */
export async function serveFiles(images: Image[], { host, port }: Address): Promise<Urls> {
  const server = createServer((request, response) => {
    answer(images, request, response).catch(() => response.destroy())
  })
  await listenOn(server, { host, port })
  return servedUrls(host, port)
}

export function servedUrls(host: string, port: number): Urls {
  const base = new URL(`http://${host}:${port}`).origin
  return { imagesUrl: `${base}/images`, packagesUrl: `${base}/packages` }
}

async function answer(images: Image[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://lab').pathname)
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

/** Finds the file for a URL path. No other path of a request reaches the file system. */
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

/** Sends the whole file, even to a request for a range: HTTP allows that. */
function sendFile(request: IncomingMessage, response: ServerResponse, path: string, size: number): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
  if (request.method === 'HEAD') response.end()
  else
    createReadStream(path)
      .on('error', () => response.destroy())
      .pipe(response)
}
