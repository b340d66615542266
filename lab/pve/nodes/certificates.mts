/** The lab's certificate authority, and the server certificate that it signs. */

import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { writeWhole } from '../core/store.mts'

/** PEM texts. */
interface Certificate {
  key: string
  cert: string
}

export interface ServerCertificate extends Certificate {
  /** Absolute path of the CA certificate that clients must trust. */
  caFile: string
}

/** Address by which guests reach the node. */
const GATEWAY = '192.168.122.1'
const YEARS = 10
const ALGORITHM = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const

function notAfterDate(): Date {
  return new Date(Date.now() + YEARS * 365 * 86_400_000)
}

async function createAuthority(): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'proxmint lab CA' }], {
    ...ALGORITHM,
    notAfterDate: notAfterDate(),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  return { key, cert }
}

async function createLeaf(ca: Certificate, node: string): Promise<Certificate> {
  const names = ['localhost', node].map(value => ({ type: 2 as const, value }))
  const addresses = ['127.0.0.1', '::1', GATEWAY].map(ip => ({ type: 7 as const, ip }))
  const { private: key, cert } = await generate([{ name: 'commonName', value: node }], {
    ...ALGORITHM,
    ca,
    notAfterDate: notAfterDate(),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [...names, ...addresses] },
    ],
  })
  return { key, cert }
}

async function readCertificate(folder: string): Promise<Certificate | undefined> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
  try {
    return { key: await read('server.key'), cert: await read('server.pem') }
  } catch {
    return undefined
  }
}

/** Returns the SHA-256 of the server certificate in `dataDir`: `AB:CD:...`. */
export async function fingerprintOf(dataDir: string): Promise<string> {
  return new X509Certificate(await readFile(join(dataDir, 'server.pem'))).fingerprint256
}

/** Reads the certificate in `dataDir`, or makes it. Clients trust `dataDir/ca.pem`. The CA's key is not kept. */
export async function ensureCertificate(dataDir: string, node: string): Promise<ServerCertificate> {
  const caFile = join(dataDir, 'ca.pem')
  const existing = await readCertificate(dataDir)
  if (existing) return { ...existing, caFile }
  await mkdir(dataDir, { recursive: true })
  const ca = await createAuthority()
  const leaf = await createLeaf(ca, node)
  await writeFile(caFile, ca.cert)
  await writeFile(join(dataDir, 'server.pem'), leaf.cert)
  // The key comes last, and whole: if it is there, all three files are.
  await writeWhole(join(dataDir, 'server.key'), leaf.key)
  return { ...leaf, caFile }
}
