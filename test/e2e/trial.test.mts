/** `trial`: the main job on the user's own Proxmox, of which nothing stays, also if it is killed. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { startLabWith, takeTemplate } from './golden.mts'
import { createTrialSite, killedAndCleaned, type TrialSite } from './trial-site.mts'
import { rootClient, startLab } from './workspace.mts'

describe('on a Proxmox VE that is empty', () => {
  let lab: Lab
  let site: TrialSite

  beforeAll(async () => {
    lab = await startLab()
    site = await createTrialSite(lab)
  })
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]()
    await lab?.close()
  })

  test('it is refused where nobody can be asked, and says what it would make', async () => {
    const { code, stdout, stderr } = await site.trial([])
    expect(code).toBe(exitCodes.usage)
    expect(stdout).toBe('')
    expect(stderr).toMatch(
      /^This trial makes the following on the node pve, and removes all of it at its end:$/m,
    )
    expect(stderr).toContain('hint: zx scripts/trial.mts --yes')
    expect(await site.trial(['--dry-run'])).toMatchObject({ code: 0 })
    expect(await site.trial(['--clean'])).toMatchObject({ code: 0, stdout: 'no trial has left anything\n' })
    await site.expectUntouched()
  })

  test('every step passes, nothing is left, and the report names nothing of the site', {
    timeout: 900_000,
  }, async () => {
    const { code, stdout, stderr } = await site.trial(['--yes'], { TF_LOG: 'info' })
    expect(stderr).not.toContain('error:')
    expect(code, stdout).toBe(exitCodes.done)
    expect(stderr.match(/ignored by proxmint/g) ?? []).toHaveLength(1)
    expect(stdout).toMatch(/^### proxmint trial: passed$/m)
    expect(stdout).toMatch(/Nothing of it is left\.\n$/)
    const steps = [...stdout.matchAll(/^ +[\d.]+ s {2}(.+)$/gm)].map(([, name]) => name)
    expect(steps).toEqual([
      'look at tools, config, credentials and Proxmox VE',
      'compare privileges',
      'make a resource pool',
      'import a cloud image as base VM',
      'build a VM template, and test it on two clones',
      'create a VM; its user-data is a snippet, by SSH of the node',
      'change its memory in Proxmox, and change it back',
      'let it expire: it is shut down',
      'resume it',
      'build a second version',
      'rebuild the VM from it',
      'compare registry, folder and Proxmox',
      'destroy the VM',
      'create a VM; its user-data is an ISO image, by the API',
      'destroy the VM',
      'remove what it made',
      'in all',
    ])
    for (const name of ['pve:', 'tank', 'vmbr0', '192.168.', 'proxmint@', lab.tokenEnv['PROXMOX_TOKEN']!]) {
      expect(stdout).not.toContain(name)
    }
    await site.expectUntouched()
  })
})

describe.sequential('beside templates and VMs of the user', () => {
  let lab: Lab
  let site: TrialSite

  beforeAll(async () => {
    lab = await startLabWith('template')
    site = await createTrialSite(lab, async (workspace, home) => {
      await takeTemplate(workspace)
      const made = await workspace.zx('vm', ['create', 'web-1', '--no-web3'], home)
      expect(made.code, made.stderr).toBe(0)
    })
  })
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]()
    await lab?.close()
  })

  test('a command that dies is told, with what it means, and what it made is removed', async () => {
    const { code, stdout, stderr } = await site.trial(['--yes'], { PROXMINT_TEST_KILL_AT: 'packer-ended' })
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toContain(
      'The trial stops here, at: build a VM template, and test it on two clones. Either',
    )
    expect(stdout).toMatch(/^### proxmint trial: failed$/m)
    expect(stdout).toMatch(/Nothing of it is left\.\n$/)
    expect(stderr).toContain(join(site.workspace.stateDir, 'trial-logs'))
    expect(await site.trial(['--clean'])).toMatchObject({ code: 0 })
    await site.expectUntouched()
  })

  test('Ctrl-C ends it and removes what it made; a second trial is refused meanwhile', async () => {
    const first = site.start(['--yes'])
    await vi.waitUntil(async () => (await vmsOfTrials()).length > 0, { timeout: 120_000, interval: 100 })
    expect(await site.trial(['--yes'])).toMatchObject({ code: exitCodes.locked })
    expect(await site.trial(['--clean'])).toMatchObject({ code: exitCodes.locked })
    first.signal('SIGINT')
    const { code, stdout, stderr } = await first.ended
    expect(code, stderr).toBe(exitCodes.interrupted)
    expect(stdout).toContain('Somebody interrupted it.')
    await site.expectUntouched()
  })

  const vmsOfTrials = async () => (await listVms(rootClient(lab))).filter(({ vmid }) => vmid >= 99_000)

  // Every moment: test/nightly/trial.test.mts.
  test.each(['trial-project', 'trial-build-begun', 'trial-snippet-begun'])(
    'killed at %s',
    { timeout: 900_000 },
    moment => killedAndCleaned(site, moment),
  )
})
