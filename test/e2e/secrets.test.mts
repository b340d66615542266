import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { filesBelow } from './leftovers.mts'
import { run } from './outside.mts'
import { type Watch, watchProcesses } from './processes.mts'
import { initCredentials, labCredentials, sopsEnvironment } from './sops-credentials.mts'
import { createWorkspace, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let workspace: Workspace
let watch: Watch
/** What each must not be found in, by a name for people: text of files, output, command lines. */
const places: Record<string, string> = {}

const identityFile = 'age-identity.txt'

beforeAll(async () => {
  lab = await startLab()
  workspace = await createWorkspace(lab)
  watch = watchProcesses()
  await command('init', () => initCredentials(workspace, labCredentials(lab)))
  await command('base import', () => workspace.zx('base', ['import', 'debian'], sopsEnvironment(workspace)))
  await command('build', () => workspace.zx('build', ['debian'], sopsEnvironment(workspace)))
  await command('build with PACKER_LOG', () =>
    workspace.zx('build', ['debian', '--json'], { ...sopsEnvironment(workspace), PACKER_LOG: '1' }),
  )
  watch.stop()
  for (const file of await filesBelow(workspace.folder)) {
    if (file !== identityFile) places[file] = await readFile(join(workspace.folder, file), 'latin1')
  }
  places['command lines'] = [...watch.seen].join('\n')
})
afterAll(async () => {
  watch.stop()
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

async function command(name: string, work: () => Promise<ExecResult>): Promise<void> {
  const { code, stdout, stderr } = await work()
  expect({ code, stderr: code === 0 ? '' : stderr }, name).toEqual({ code: 0, stderr: '' })
  places[`output of ${name}`] = `${stdout}${stderr}`
}

/** The names of the places where a text or pattern stands. */
const placesOf = (secret: string | RegExp): string[] =>
  Object.entries(places)
    .filter(([, text]) => (typeof secret === 'string' ? text.includes(secret) : secret.test(text)))
    .map(([name]) => name)

/** What a ticket begins with, before the user and the time. */
const ticket = /PVE:[^\s:]+@\w+:[0-9A-F]{8}::/

describe('nowhere but in memory and in environments is', () => {
  test('the secret of the API token', () => {
    expect(placesOf(lab.tokenEnv['PROXMOX_TOKEN']!)).toEqual([])
  })

  test('the password', () => {
    expect(placesOf(lab.tokenEnv['PROXMOX_PASSWORD']!)).toEqual([])
  })

  test('a ticket', () => {
    expect(placesOf(ticket)).toEqual([])
  })

  test('the age identity, which is in its own file', async () => {
    const [secret] = /AGE-SECRET-KEY-\w+/.exec(await readFile(join(workspace.folder, identityFile), 'utf8'))!
    expect(placesOf(secret)).toEqual([])
  })

  test('a private key, but for the sample', () => {
    expect(placesOf('PRIVATE KEY')).toEqual(['secrets/TEMPLATE-proxmox-creds.yaml'])
  })
})

describe('this looks where secrets could be', () => {
  test('in the logs, without what Packer says of itself, and in the encrypted file', () => {
    expect(placesOf('Provisioning with shell script')).toEqual([
      '.proxmint/logs/build-debian-9000.log',
      '.proxmint/logs/build-debian-9001.log',
    ])
    // Such a log holds requests and answers: Packer does not get the variable.
    expect(placesOf(/\[INFO\] Packer version/)).toEqual([])
    expect(placesOf('warning: PACKER_LOG: ignored')).toEqual(['output of build with PACKER_LOG'])
    expect(placesOf('ENC[AES256_GCM')).toEqual(['secrets/proxmox-creds.enc.yaml'])
  })

  test('in the command lines of the tools', () => {
    for (const tool of ['/sops --decrypt', '/packer validate', '/packer build', 'credentials.mts init']) {
      expect(placesOf(tool), tool).toContain('command lines')
    }
  })

  test('and would find what is there', async () => {
    const planted = 'PVE:proxmint@pve:6B0342FC::c2lnbmF0dXJl'
    const watching = watchProcesses()
    await run(workspace, ['sh', '-c', 'sleep 0.1', planted])
    watching.stop()
    expect([...watching.seen].some(line => ticket.test(line))).toBe(true)
    const file = join(workspace.stateDir, 'planted')
    await writeFile(file, planted)
    expect(ticket.test(await readFile(file, 'latin1'))).toBe(true)
    expect(await filesBelow(workspace.stateDir)).toContain('planted')
  })
})
