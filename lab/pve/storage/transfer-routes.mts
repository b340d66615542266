/** Uploads, downloads from a URL, and metadata of a URL. */

import { rename } from 'node:fs/promises'
import { failure } from '../core/errors.mts'
import { flag, nodeName, optional, storageId, text } from '../core/parameters.mts'
import { allOf, and, or } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { COMPRESSIONS } from './decompress.mts'
import { head } from './fetch.mts'
import { contentType } from './formats.mts'
import { type Checksum, destinationOf, download, storeUpload, type TransferContent } from './transfer.mts'

const ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const

const url = { ...text, pattern: /^https?:\/\/.*/ } as const
const content = { ...text, format: contentType, enum: ['iso', 'vztmpl', 'import'] } as const
const filename = { ...text, maxLength: 255 } as const
const checksumParameters = {
  checksum: optional({ ...text, requires: 'checksum-algorithm' }),
  'checksum-algorithm': optional({ ...text, enum: ALGORITHMS, requires: 'checksum' }),
} as const

/** A request to any URL can reach the host's own network, so it needs more than rights on the storage. */
const mayReachOut = or(allOf('/', 'Sys.Audit', 'Sys.Modify'), allOf('/nodes/{node}', 'Sys.AccessNetwork'))

function checksumOf(params: { checksum?: string; 'checksum-algorithm'?: string }): Checksum | undefined {
  const { checksum: expected, 'checksum-algorithm': algorithm } = params
  return expected === undefined || algorithm === undefined ? undefined : { algorithm, expected }
}

/** Returns the name in a header `Content-Disposition`, or else the last part of the URL's path. */
function fileNameOf(address: string, disposition: string | undefined): string | undefined {
  const named = /filename="([^"]*)"/.exec(disposition ?? '') ?? /filename=([^;]*)/.exec(disposition ?? '')
  return (named ?? /^[^?]+\/([^?/]*)(?:\?.*)?$/.exec(address))?.[1] || undefined
}

/** Returns name, size in bytes and MIME type of a URL, from the headers of a HEAD request. */
async function queryUrl(
  address: string,
  verify: boolean,
): Promise<{ filename?: string; size?: number; mimetype?: string }> {
  const headers = await head(address, verify)
  const size = Number(headers['content-length'] ?? 0)
  const name = fileNameOf(address, headers['content-disposition'])
  const mimetype = headers['content-type']?.split(';')[0]
  return { ...(name && { filename: name }), ...(size > 0 && { size }), ...(mimetype && { mimetype }) }
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
      filename,
      tmpfilename: optional({ ...text, pattern: /^\/var\/tmp\/pveupload-[0-9a-f]+$/ }),
      ...checksumParameters,
    },
    async handle({ pve, caller, params, upload }) {
      const content = params.content as TransferContent
      const destination = await destinationOf(pve, params.storage, content, params.filename, 'upload')
      if (!upload) throw failure('missing temporary file name')
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
      filename,
      compression: optional({ ...text, enum: COMPRESSIONS }),
      'verify-certificates': optional(flag),
      ...checksumParameters,
    },
    async handle({ pve, caller, params }) {
      const { url, compression, 'verify-certificates': verifyCertificates = true } = params
      const content = params.content as TransferContent
      const destination = await destinationOf(pve, params.storage, content, params.filename, 'download')
      const source = { url, checksum: checksumOf(params), compression, verifyCertificates }
      return pve.tasks.start({
        type: 'download',
        id: destination.name,
        authid: caller.authid,
        work: task => download(pve, source, destination, task),
      })
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/query-url-metadata',
    permission: mayReachOut,
    parameters: { node: nodeName, url, 'verify-certificates': optional(flag) },
    handle: ({ params }) => queryUrl(params.url, params['verify-certificates'] ?? true),
  }),
]
