import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { AgentCommandFailed, AgentNotRunning } from '../../guests/driver.mts'
import { type AgentChannel, openAgentChannel } from '../../guests/qemu/agent.mts'

interface Request {
  execute: string
  arguments?: { id: number }
}

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

/** A channel whose guest end answers as `answer` says; syncs are answered as qemu-ga does. */
async function channelTo(answer: (request: Request, say: (text: string) => void) => void): Promise<{
  channel: AgentChannel
  guest: Socket
}> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [guest] = (await once(server, 'connection')) as [Socket]
  open.push(() => {
    host.destroy()
    guest.destroy()
    server.close()
  })
  createInterface({ input: guest }).on('line', line => {
    const request = JSON.parse(line.replace(/^[^{]*/, '')) as Request
    if (request.execute === 'guest-sync-delimited') {
      guest.write(Buffer.concat([Buffer.from([0xff]), Buffer.from(`{"return": ${request.arguments!.id}}\n`)]))
    } else answer(request, text => guest.write(`${text}\n`))
  })
  return { channel: openAgentChannel(host), guest }
}

test('nothing is sent to a port that nobody opened', async () => {
  const { channel } = await channelTo(() => undefined)
  await expect(channel.ask('guest-ping', {})).rejects.toBeInstanceOf(AgentNotRunning)
})

test('an answer is what the agent returned', async () => {
  const { channel } = await channelTo((request, say) => say(`{"return": "${request.execute}"}`))
  channel.setOpen(true)
  expect(await channel.ask('guest-get-host-name', {})).toBe('guest-get-host-name')
})

test('an error is told in the words of the agent', async () => {
  const error = { class: 'CommandNotFound', desc: 'The command nonsense has not been found' }
  const { channel } = await channelTo((_, say) => say(JSON.stringify({ error })))
  channel.setOpen(true)
  await expect(channel.ask('nonsense', {})).rejects.toEqual(new AgentCommandFailed(error.desc))
})

test('the late answer to an earlier command is not taken for this one', async () => {
  const { channel, guest } = await channelTo((_, say) => say('{"return": "mine"}'))
  channel.setOpen(true)
  guest.write('{"return": "of another time"}\n')
  expect(await channel.ask('guest-ping', {})).toBe('mine')
})

test('commands wait for each other', async () => {
  let asked = 0
  const { channel } = await channelTo((_, say) => {
    asked += 1
    say(`{"return": ${asked}}`)
  })
  channel.setOpen(true)
  const answers = Array.from({ length: 5 }, () => channel.ask('guest-ping', {}))
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5])
})

test('an agent that goes away in the middle is one that does not run', async () => {
  const { channel, guest } = await channelTo(() => void guest.destroy())
  channel.setOpen(true)
  await expect(channel.ask('guest-ping', {})).rejects.toBeInstanceOf(AgentNotRunning)
})
