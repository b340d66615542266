import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { openTofu, rootLogin, type Tofu } from './opentofu.mts'
import { startLab } from './workspace.mts'

/** Users, tokens, roles, groups, ACLs and pools by the bpg provider, and what its data sources see. */
let lab: Lab
let tofu: Tofu

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  const env = { ...rootLogin(lab), TF_VAR_password: 'of-joe-in-the-lab' }
  tofu = await openTofu(lab, 'opentofu-access', env)
})
afterAll(async () => {
  await tofu?.[Symbol.asyncDispose]()
  await lab?.close()
})

async function status(path: string, login: { header: string } | { password: string }): Promise<string> {
  const curl = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', lab.caFile]
  const how =
    'header' in login
      ? ['-H', `Authorization: ${login.header}`]
      : ['--data-urlencode', 'username=joe@pve', '--data-urlencode', `password=${login.password}`]
  return (await lab.exec([...curl, ...how, `${lab.url}${path}`])).stdout
}

describe.sequential('access by OpenTofu', () => {
  test('everything is created, and the data sources see it', async () => {
    await tofu.apply()
    expect(await tofu.output('found')).toMatchObject({
      version: '9.1',
      nodes: ['pve'],
      datastores: ['local', 'tank'],
      disk_stores: ['tank'],
      operator: ['VM.Audit', 'VM.Config.Cloudinit'],
      groups: ['operators'],
      members: ['joe@pve'],
      users: ['auditor@pve', 'joe@pve', 'proxmint@pve', 'root@pam'],
      joe: 'Doe: of 100 %',
      pools: ['web'],
      pool_members: ['storage/pve/local'],
      vms: 0,
    })
  })

  test('the user and the token that were made log in', async () => {
    expect(await status('/access/ticket', { password: 'of-joe-in-the-lab' })).toBe('200')
    expect(await status('/access/ticket', { password: 'wrong' })).toBe('401')
    const header = `PVEAPIToken=${await tofu.output('token')}`
    expect(await status('/version', { header })).toBe('200')
    expect(await status('/nodes/pve/status', { header })).toBe('403')
  })

  test('everything is changed in place', async () => {
    const variables = ['comment=changed', 'propagate=false', 'privileges=["VM.Audit","VM.Clone"]']
    const plan = await tofu.plan(...variables)
    expect(Object.keys(plan)).toHaveLength(7)
    expect(new Set(Object.values(plan))).toEqual(new Set(['update']))
    await tofu.apply(...variables)
    expect(await tofu.output('found')).toMatchObject({ operator: ['VM.Audit', 'VM.Clone'] })
  })

  test('what somebody else changed is seen and put right', async () => {
    const pvesh = (method: string, path: string) =>
      lab.exec([
        ...['curl', '-sf', '--cacert', lab.caFile, '-X', method],
        ...['-H', `Authorization: ${lab.tokenEnv['PROXMOX_API_TOKEN']}`, `${lab.url}${path}`],
      ])
    expect((await pvesh('PUT', '/pools/web?delete=1&storage=local')).code).toBe(0)
    expect(await tofu.plan()).toMatchObject({
      'proxmox_virtual_environment_pool_membership.local': 'create',
      'proxmox_virtual_environment_role.operator': 'update',
    })
    await tofu.apply()
  })

  test('everything is destroyed, with what hangs on it', async () => {
    await tofu.destroy()
    expect(await tofu.plan()).toMatchObject({ 'proxmox_virtual_environment_user.joe': 'create' })
    expect(await status('/access/ticket', { password: 'of-joe-in-the-lab' })).toBe('401')
  })
})
