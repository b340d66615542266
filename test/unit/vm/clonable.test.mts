import { expect, test } from 'vitest'
import type { Connection } from '../../../scripts/lib/site/connect.mts'
import { requireClonable } from '../../../scripts/lib/vm/plan/requirements.mts'
import { failureOf } from '../failure.mts'

const template = { vmid: 9001, node: 'pve1' }
const storages = [
  { storage: 'nas', shared: 1 },
  { storage: 'tank', shared: 0 },
  { storage: 'local', shared: 0 },
]

function connect(config: Record<string, string | number>): Connection {
  const answers: Record<string, unknown> = {
    '/nodes/pve1/qemu/9001/config': config,
    '/nodes/pve1/storage': storages,
  }
  const request = async (_: string, path: string) => {
    if (path in answers) return answers[path]
    throw new Error(`${path} is not asked for`)
  }
  return { client: { request } } as unknown as Connection
}

const shared = { scsi0: 'nas:base-9001-disk-0,size=2G', ide2: 'nas:vm-9001-cloudinit,media=cdrom' }

test.each<[string, Record<string, string | number>, string]>([
  ['on the same node, whatever its storage', { scsi0: 'tank:base-9001-disk-0' }, 'pve1'],
  ['on another node, from shared storage', shared, 'pve2'],
  ['without a medium', { ...shared, ide0: 'none,media=cdrom', scsihw: 'virtio-scsi-single' }, 'pve2'],
])('a VM template is cloned %s', async (_, config, node) => {
  await expect(requireClonable(connect(config), template, node)).resolves.toBeUndefined()
})

test.each<[string, Record<string, string | number>, string]>([
  ['disk', { ...shared, scsi0: 'tank:base-9001-disk-0' }, 'tank'],
  ['cloud-init drive', { ...shared, ide2: 'local:vm-9001-cloudinit,media=cdrom' }, 'local'],
  ['EFI disk', { ...shared, efidisk0: 'tank:base-9001-disk-1' }, 'tank'],
])('one whose %s only its own node has is not cloned to another', async (_, config, storage) => {
  expect(await failureOf(() => requireClonable(connect(config), template, 'pve2'))).toMatchObject({
    message: expect.stringContaining('VM template 9001 cannot be cloned to pve2: it is on pve1'),
    facts: { storage },
    exitCode: 3,
  })
})
