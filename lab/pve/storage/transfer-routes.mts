/** Uploads, downloads from a URL, and metadata of a URL. */

import { rename } from 'node:fs/promises'
import { failure, parameterError } from '../core/errors.mts'
import { flag, nodeName, optional, storageId, text } from '../core/parameters.mts'
import { allOf, and, or } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { type Checksum, destinationOf, download, storeUpload } from './transfer.mts'

const ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const

const url = { type: 'string', pattern: /^https?:\/\/.*/ } as const
const content = { type: 'string', enum: ['iso', 'vztmpl', 'import'] } as const
const checksumParameters = {
  checksum: optional(text),
  'checksum-algorithm': optional({ type: 'string', enum: ALGORITHMS }),
} as const

/** A request to any URL can reach the host's own network, so it needs more than rights on the storage. */
const mayReachOut = or(allOf('/', 'Sys.Audit', 'Sys.Modify'), allOf('/nodes/{node}', 'Sys.AccessNetwork'))

/** @throws {ApiError} 400 if only one of the two parameters is given. */
function checksumOf(params: { checksum?: string; 'checksum-algorithm'?: string }): Checksum | undefined {
  const { checksum: expected, 'checksum-algorithm': algorithm } = params
  if (expected === undefined && algorithm === undefined) return undefined
  if (algorithm === undefined) throw parameterError({ 'checksum-algorithm': 'missing checksum algorithm' })
  if (expected === undefined) throw parameterError({ checksum: 'missing checksum' })
  return { algorithm, expected }
}

function fileNameOf(address: string): string {
  return decodeURIComponent(new URL(address).pathname.split('/').at(-1) ?? '')
}

/** Returns name, size in bytes and MIME type of a URL, from the headers of a HEAD request. */
async function queryUrl(address: string): Promise<{ filename: string; size?: number; mimetype?: string }> {
  const response = await fetch(address, { method: 'HEAD' }).catch(error => {
    const cause = (error as Error).cause as Error | undefined
    throw failure(`invalid server response: '500 ${cause?.message ?? (error as Error).message}'`)
  })
  if (!response.ok) throw failure(`invalid server response: '${response.status} ${response.statusText}'`)
  const size = response.headers.get('content-length')
  const disposition = /filename="?([^";]+)"?/.exec(response.headers.get('content-disposition') ?? '')?.[1]
  const mimetype = response.headers.get('content-type')?.split(';')[0]
  return {
    filename: disposition ?? fileNameOf(response.url),
    ...(size !== null && { size: Number(size) }),
    ...(mimetype !== undefined && { mimetype }),
  }
}

export const storageTransferRoutes: Route[] = [
  route({
    method: 'POST',
    path: '/nodes/{node}/storage/{storage}/upload',
    permission: allOf('/storage/{storage}', 'Datastore.AllocateTemplate'),
    parameters: {
      node: nodeName,
      storage: storageId,
      content,
      filename: optional(text),
      ...checksumParameters,
    },
    async handle({ pve, caller, params, upload }) {
      if (!upload) throw parameterError({ filename: 'property is missing and it is not optional' })
      const name = params.filename ?? upload.filename
      const destination = await destinationOf(pve, params.storage, params.content as 'iso', name, 'upload')
      const checksum = checksumOf(params)
      // The end of the request removes its file, so the worker needs another name for it.
      const source = `${upload.path}.kept`
      await rename(upload.path, source)
      return pve.tasks.start({
        type: 'imgcopy',
        id: '',
        authid: caller.authid,
        work: task => storeUpload(pve, source, destination, checksum, task),
      })
    },
  }),
  route({
    method: 'POST',
    path: '/nodes/{node}/storage/{storage}/download-url',
    permission: and(allOf('/storage/{storage}', 'Datastore.AllocateTemplate'), mayReachOut),
    parameters: {
      node: nodeName,
      storage: storageId,
      url,
      content,
      filename: text,
      compression: optional(text),
      'verify-certificates': optional(flag),
      ...checksumParameters,
    },
    async handle({ pve, caller, params }) {
      const checksum = checksumOf(params)
      const content = params.content as 'iso'
      const destination = await destinationOf(pve, params.storage, content, params.filename, 'download')
      return pve.tasks.start({
        type: 'download',
        id: destination.volid.split('/').at(-1)!,
        authid: caller.authid,
        work: task => download(pve, params.url, destination, checksum, task),
      })
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/query-url-metadata',
    permission: mayReachOut,
    parameters: { node: nodeName, url, 'verify-certificates': optional(flag) },
    handle: ({ params }) => queryUrl(params.url),
  }),
]
