/** An SSH client for the lab's node that sends paths as they are given, which OpenSSH's does not. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import ssh2, { type Client, type ConnectConfig, type SFTPWrapper } from 'ssh2'
import type { Lab } from '../create.mts'

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** Logs in as root with the lab's key, unless `other` says otherwise. Rejects when it is refused. */
export async function connect(
  lab: Pick<Lab, 'nodeSsh'>,
  other: Partial<ConnectConfig> = {},
): Promise<Client> {
  const { host, port, user, privateKeyFile, hostKey } = lab.nodeSsh
  const client = new ssh2.Client()
  const privateKey = 'password' in other ? undefined : await readFile(privateKeyFile)
  client.connect({
    host,
    port,
    username: user,
    ...(privateKey && { privateKey }),
    hostVerifier: (key: Buffer) => hostKey.split(' ')[1] === key.toString('base64'),
    ...other,
  })
  await once(client, 'ready')
  client.setNoDelay(true)
  client.on('error', () => undefined)
  return client
}

export async function execute(client: Client, command: string, input = ''): Promise<Finished> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error)
      const finished: Finished = { code: null, stdout: '', stderr: '' }
      channel.on('data', (chunk: Buffer) => {
        finished.stdout += chunk
      })
      channel.stderr.on('data', chunk => {
        finished.stderr += chunk
      })
      channel.on('exit', code => {
        finished.code = code
      })
      channel.on('close', () => resolve(finished))
      channel.end(input)
    })
  })
}

export const openSftp = (client: Client): Promise<SFTPWrapper> =>
  new Promise((resolve, reject) => client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp))))

/** The answer to one SFTP request: its value, or the message of its refusal. */
export const asked = <T,>(
  request: (done: (error: unknown, value?: T) => void) => void,
): Promise<T | string> =>
  new Promise(resolve => {
    request((error, value) => resolve(error ? (error as Error).message : (value as T)))
  })
