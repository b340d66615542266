import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import ssh2, { type AuthContext, type ServerChannel } from 'ssh2'
import { generateKeyPair } from '../../../lab/node-ssh/keys.mts'

/**
 * The SSH server that a VM of fakepve would run: it lets in who has the key that cloud-init would have been given,
 * and does nothing of what it is told. What a script does in a guest is tested elsewhere, on guests.
 */
export interface GuestSsh extends AsyncDisposable {
  port: number
  /** What it was told to run, in order. */
  commands: string[]
}

/** @param authorizedKeys public keys in OpenSSH's format, as they are at that moment. */
export async function startGuestSsh(authorizedKeys: () => Promise<string[]>): Promise<GuestSsh> {
  const commands: string[] = []
  const hostKey = generateKeyPair('guest').private
  const server = new ssh2.Server({ hostKeys: [hostKey] }, client => {
    client.on('error', () => undefined)
    client.on('authentication', context => void authenticate(context, authorizedKeys))
    client.on('session', accept =>
      accept().on('exec', (acceptExec, _, { command }) => {
        commands.push(command)
        answer(acceptExec(), command)
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

async function authenticate(context: AuthContext, authorizedKeys: () => Promise<string[]>): Promise<void> {
  if (context.method !== 'publickey') return context.reject(['publickey'])
  const offered = context.key.data.toString('base64')
  const keys = await authorizedKeys()
  return keys.some(key => key.split(' ')[1] === offered) ? context.accept() : context.reject(['publickey'])
}

function answer(channel: ServerChannel, command: string): void {
  // The receiving end of scp acknowledges each step with a zero: here all of them at once.
  if (command.startsWith('scp ')) channel.write(Buffer.alloc(8))
  channel.resume()
  const end = () => {
    channel.exit(0)
    channel.end()
  }
  if (command.startsWith('scp ')) channel.on('end', end)
  else end()
}
