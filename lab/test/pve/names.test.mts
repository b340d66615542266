/** Names that clients choose: what every object of JavaScript has is there only if a client made it. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [{ id: 'tank', type: 'zfspool', content: ['images'] }],
    },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

describe.each(['constructor', 'valueOf'])('what is named %s', name => {
  test('is not there before it is made, and can be made', async () => {
    const network = `/nodes/pve/network/${name}`
    expect((await lab.get(network)).errors).toEqual({ iface: 'interface does not exist' })
    await lab.call('POST', '/nodes/pve/network', { iface: 'vmbr7', type: 'bridge' })
    expect((await lab.get(network)).errors).toEqual({ iface: 'interface does not exist' })
    expect((await lab.call('DELETE', network)).errors).toEqual({ iface: 'interface does not exist' })

    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, scsi0: 'tank:1' })
    const snapshots = '/nodes/pve/qemu/100/snapshot'
    expect(await lab.task('POST', snapshots, { snapname: 'first' })).toBe('OK')
    expect((await lab.get(`${snapshots}/${name}/config`)).reason).toBe(`snapshot '${name}' does not exist`)
    expect(await lab.task('POST', snapshots, { snapname: name })).toBe('OK')
    expect(await lab.task('DELETE', `${snapshots}/first`)).toBe('OK')
    expect(await lab.task('DELETE', `${snapshots}/${name}`)).toBe('OK')
    expect((await lab.get(`${snapshots}/${name}/config`)).reason).toBe(`snapshot '${name}' does not exist`)
  })
})

test('an applied zone has no names of objects', async () => {
  const zones = '/cluster/sdn/zones'
  await lab.call('POST', zones, { zone: 'lan', type: 'simple' })
  await lab.task('PUT', '/cluster/sdn')
  expect((await lab.get(`${zones}/valueOf?running=1`)).reason).toBe("sdn 'valueOf' does not exist")
})
