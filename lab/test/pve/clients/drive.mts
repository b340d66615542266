/** Drives the lab with proxmox-api: log in, list, clone, start, ask the agent, make a template, delete. */

import { text } from 'node:stream/consumers'
import proxmoxApi, { type ProxmoxEngineOptions } from 'proxmox-api'

const { kind, newid, ...login } = JSON.parse(await text(process.stdin))
const options = { host: '127.0.0.1', port: Number(process.env['LAB_PORT']), ...login } as ProxmoxEngineOptions
const api = proxmoxApi(options)
const node = api.nodes.$('pve')

async function wait(upid: string): Promise<string | undefined> {
  for (;;) {
    const status = await node.tasks.$(upid).status.$get()
    if (status.status === 'stopped') return status.exitstatus
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

const vm = node.qemu.$(newid)
const seen = {
  version: (await api.version.$get()).release,
  before: (await api.cluster.resources.$get({ type: 'vm' })).map(resource => resource.vmid),
  clone: await wait(await node.qemu.$(100).clone.$post({ newid, name: kind, full: true })),
  config: await wait(await vm.config.$post({ cores: 3, description: 'by proxmox-api' })),
  start: await wait(await vm.status.start.$post()),
  interfaces: (await vm.agent['network-get-interfaces'].$get())['result'].map(
    (nic: { name: string }) => nic.name,
  ),
  stop: await wait(await vm.status.stop.$post()),
  template: await wait((await vm.template.$post()) as unknown as string),
  cores: (await vm.config.$get()).cores,
  delete: await wait(await vm.$delete()),
  gone: await vm.config.$get().then(
    () => 'still there',
    error => String((error as Error).message),
  ),
}
console.log(JSON.stringify(seen))
