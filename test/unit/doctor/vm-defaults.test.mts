import { expect, test } from 'vitest'
import type { VmDefaults } from '../../../scripts/lib/config/vm-defaults.mts'
import { requireDefaultFamily, requireUserData } from '../../../scripts/lib/doctor/areas/config.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { failureOf } from '../failure.mts'

const defaults = (template: string, cloudInitTemplate = 'devbox'): VmDefaults => ({
  ...{ template, cores: 1, cpuType: 'host', memory: 1024, disk: 10, agentTimeout: '10m' },
  credential: { template: 'debian-web3', cloudInitTemplate: 'nft-auth' },
  cloudInit: {
    ...{ template: cloudInitTemplate, delivery: 'iso', storage: 'local', username: 'admin' },
    sshAuthorizedKeys: [],
  },
})
const families = ['debian', 'debian-web3', 'talos']

test('families that have a folder', () => {
  expect(() => requireDefaultFamily(defaults('debian'), families)).not.toThrow()
})

test('a family that is a slip is told with the nearest', async () => {
  expect(await failureOf(async () => requireDefaultFamily(defaults('debain'), families))).toMatchObject({
    message: 'config/vm.yaml names the unknown template family debain; did you mean debian?',
    exitCode: 3,
  })
})

test('the cloud-init template can be filled in, or why not', async () => {
  await requireUserData(openSite(), defaults('debian'))
  expect(await failureOf(() => requireUserData(openSite(), defaults('debian', 'devbx')))).toMatchObject({
    message: 'unknown cloud-init template devbx; did you mean devbox?',
  })
})
