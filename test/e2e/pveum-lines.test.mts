/**
 * The lines that `check-permissions` prints, run as printed for generated users: nobody loses a privilege, nothing is
 * missing afterwards, and a second run changes nothing. SEED names another sequence of users.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT_TOKEN, startLab, type TestLab } from '../../lab/test/pve/client.mts'
import { checkPermissions, withCommonRemedy } from '../../scripts/lib/permissions/check.mts'
import { baseImportNeeds, cloneBuildNeeds, type Need, vmNeeds } from '../../scripts/lib/permissions/needs.mts'
import { type ProxmoxClient, passwordClient, tokenClient } from '../../scripts/lib/proxmox/client.mts'
import { getPermissions } from '../../scripts/lib/proxmox/get-permissions.mts'
import { type Account, generateAccounts, PATHS, PROBES, userCfgOf } from './accounts.mts'

const seed = Number(process.env['SEED'] ?? 1)
const pveum = resolve(import.meta.dirname, '../fixtures/pveum')
const PASSWORD = 'a long password'

function worksOn(pveMajor: number): Need[][] {
  const place = { pveMajor, node: 'pve', vmid: undefined, diskStorages: ['tank'], bridge: 'vmbr0' }
  return [
    cloneBuildNeeds(place, 9900, true),
    baseImportNeeds(place, 'local'),
    vmNeeds({ ...place, vlanTag: 20 }, undefined, { kind: 'snippet', storage: 'local' }),
  ]
}

/** Runs the lines in a shell of root on the node. @returns what they wrote as errors. */
async function runAsRoot({ server }: TestLab, lines: string[]): Promise<string> {
  const env = {
    PATH: `${dirname(pveum)}:${process.env['PATH']}`,
    PVEUM_URL: server.url,
    PVEUM_CA: server.caFile,
    PVEUM_TOKEN: `root@pam!test=${ROOT_TOKEN}`,
  }
  const shell = spawn('bash', ['-c', lines.join('\n')], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const [stderr] = await Promise.all([text(shell.stderr), once(shell, 'close')])
  return stderr
}

describe.each([8, 9] as const)('Proxmox VE %i', version => {
  const accounts = generateAccounts(seed * 10 + version, version, 20)
  const secrets = accounts.flatMap(({ token, secret }) => (token === undefined ? [] : [[token, secret]]))
  const needs = worksOn(version)
  let lab: TestLab
  let root: ProxmoxClient

  beforeAll(async () => {
    lab = await startLab({ version, userCfg: userCfgOf(accounts), tokenSecrets: Object.fromEntries(secrets) })
    root = tokenClient(lab.server, { user: 'root@pam', tokenId: 'test', tokenSecret: ROOT_TOKEN })
  })
  afterAll(() => lab.close())

  async function logIn({ user, token, secret }: Account): Promise<ProxmoxClient> {
    if (token !== undefined)
      return tokenClient(lab.server, { user, tokenId: token.split('!')[1]!, tokenSecret: secret })
    const headers = await lab.rootTicket()
    const changed = await lab.call('PUT', '/access/password', { userid: user, password: PASSWORD }, headers)
    expect(changed.status).toBe(200)
    return passwordClient(lab.server, { user, password: PASSWORD })
  }

  /** `HOLDER PATH PRIVILEGE` for each path, whether or not it has an entry. */
  async function privilegesOf(account: Account): Promise<string[]> {
    const holders = [account.user, ...(account.token === undefined ? [] : [account.token])]
    const asked = holders.flatMap(userid => [...PATHS, ...PROBES].map(path => ({ userid, path })))
    const found = asked.map(async ({ userid, path }) => {
      const tree = await getPermissions(root, { userid, path })
      return Object.keys(tree[path] ?? {}).map(privilege => `${userid} ${path} ${privilege}`)
    })
    return (await Promise.all(found)).flat()
  }

  async function linesFor(client: ProxmoxClient): Promise<string[]> {
    const verdicts = needs.map(async one => ({ verdict: await checkPermissions(client, version, one) }))
    const works = withCommonRemedy(await Promise.all(verdicts))
    const printed = works.map(({ verdict }) => verdict.pveum).filter(({ length }) => length > 0)
    expect(new Set(printed.map(lines => lines.join('\n'))).size).toBeLessThanOrEqual(1)
    return printed[0] ?? []
  }

  const entries = (): Promise<unknown> =>
    Promise.all([
      root.request('GET', '/access/acl'),
      root.request('GET', '/access/roles'),
      root.request('GET', '/access/users', { full: 1 }),
    ])

  async function entriesOf(holder: string): Promise<number> {
    const acl = await root.request<{ ugid: string }[]>('GET', '/access/acl')
    return acl.filter(({ ugid }) => ugid === holder).length
  }

  test.each(accounts.map(account => [account.described, account] as const))('%s', async (_, account) => {
    const client = await logIn(account)
    const before = await privilegesOf(account)
    const ownEntries = await entriesOf(account.user)
    const lines = await linesFor(client)
    const errors = await runAsRoot(lab, lines)
    const after = new Set(await privilegesOf(account))
    expect(before.filter(one => !after.has(one))).toEqual([])
    expect(errors).toBe('')
    expect(await linesFor(client)).toEqual([])
    if (account.userHasAll) expect(await entriesOf(account.user)).toBe(ownEntries)
    const first = await entries()
    await runAsRoot(lab, lines)
    expect(await entries()).toEqual(first)
  })
})
