import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { connectQmp, MachineGone, type QmpEvent } from '../../guests/qemu/qmp.mts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

interface Request {
  execute: string
  id: number
}

/** A QEMU that greets, and answers what is no greeting as told. */
async function qemu(
  answer: (request: Request, machine: Socket) => void,
): Promise<{ host: Socket; machine: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [machine] = (await once(server, 'connection')) as [Socket]
  open.push(() => {
    host.destroy()
    machine.destroy()
    server.close()
  })
  createInterface({ input: machine }).on('line', line => {
    const request = JSON.parse(line) as Request
    if (request.execute === 'qmp_capabilities') say(machine, { return: {}, id: request.id })
    else answer(request, machine)
  })
  say(machine, { QMP: { version: {} } })
  return { host, machine }
}

const say = (machine: Socket, message: object) => machine.write(`${JSON.stringify(message)}\n`)

test('an answer goes to the command it belongs to, whatever their order', async () => {
  const requests: Request[] = []
  const { host } = await qemu((request, machine) => {
    requests.unshift(request)
    if (requests.length === 2) for (const { id, execute } of requests) say(machine, { return: execute, id })
  })
  const qmp = await connectQmp(host, () => undefined)
  expect(await Promise.all([qmp.execute('first'), qmp.execute('second')])).toEqual(['first', 'second'])
})

test('an error is told in the words of QEMU', async () => {
  const { host } = await qemu(({ id }, machine) => say(machine, { error: { desc: 'Cannot shrink' }, id }))
  const qmp = await connectQmp(host, () => undefined)
  await expect(qmp.execute('block_resize')).rejects.toThrow('Cannot shrink')
})

test('events are handed on, between answers too', async () => {
  const events: QmpEvent[] = []
  const { host } = await qemu(({ id }, machine) => {
    say(machine, { event: 'RESET', data: { guest: false } })
    say(machine, { return: {}, id })
  })
  const qmp = await connectQmp(host, event => events.push(event))
  await qmp.execute('system_reset')
  expect(events).toEqual([{ event: 'RESET', data: { guest: false } }])
})

test('a machine that ends leaves no command waiting, neither sent nor to come', async () => {
  const { host } = await qemu((_, machine) => machine.destroy())
  const qmp = await connectQmp(host, () => undefined)
  await expect(Promise.all([qmp.execute('a'), qmp.execute('b')])).rejects.toBeInstanceOf(MachineGone)
  await expect(qmp.execute('c')).rejects.toBeInstanceOf(MachineGone)
})
