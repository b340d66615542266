import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { which } from 'zx'
import type { Config } from '../config/load.mts'
import { requireSeparateRanges } from '../config/vmid-ranges.mts'
import { buildTarget } from '../packer/build-target.mts'
import { listFamilies } from '../packer/template.mts'
import { loadCheckedTemplate } from '../site/checked-template.mts'
import { checkRegistry } from '../site/registry-command.mts'
import { openSite } from '../site/site.mts'
import { cacheFolder } from '../tools/cache.mts'
import { type Search, searchTool } from '../tools/find.mts'
import { toolNames } from '../tools/pins.mts'
import { requireSharedStates } from '../vm/open.mts'
import { gatherChain } from './chain.mts'
import { type DiskFact, type Facts, type Gathered, gather, gatherWith, type ProgramFact } from './facts.mts'
import { gatherProxmox, type LoadedFamily } from './proxmox.mts'
import { requireDefaultFamily, requireUserData } from './vm-defaults.mts'

/** Looks at everything at the same time, and changes nothing. */
export async function gatherFacts(): Promise<Facts> {
  const site = openSite()
  const searches = toolNames.map(name => searchTool(name))
  const [config, pools, defaults, web3] = await Promise.all([
    gather(site.config),
    gather(site.pools),
    gather(site.vmDefaults),
    gather(site.web3),
  ])
  const families = gatherFamilies()
  const ofVms = gatherWith(defaults, 'config/vm.yaml', async value =>
    requireDefaultFamily(value, await listFamilies()),
  )
  const ranges = gatherWith(pools, 'config/db.yaml', async value => {
    if ('value' in config) requireSeparateRanges(value, config.value)
  })
  const userData = gatherWith(defaults, 'config/vm.yaml', value => requireUserData(site, value))
  const [proxmox, programs, disks, states, chain, registry, versions, known] = await Promise.all([
    gatherProxmox({ site, config, pools, defaults }, families, searches[toolNames.indexOf('packer')]!),
    gatherPrograms(searches),
    gatherDisks(found(config)),
    gather(() => requireSharedStates(site)),
    gatherChain(site, found(web3)),
    gather(() => checkRegistry(site)),
    gather(site.families),
    families,
  ])
  return {
    ...proxmox,
    ...chain,
    programs,
    disks,
    // What lacks vm.yaml itself has nothing more to say than that.
    configs: [config, pools, defaults, web3, states, ...(await told(ofVms, userData, ranges))],
    families: known,
    versions,
    registry,
    defaultFamily: found(defaults)?.template,
  }
}

async function told(...looks: Promise<Gathered<void>>[]): Promise<Gathered<unknown>[]> {
  return (await Promise.all(looks)).filter(look => !('lacks' in look))
}

function found<T>(gathered: Gathered<T>): T | undefined {
  return 'value' in gathered ? gathered.value : undefined
}

async function gatherPrograms(searches: Promise<Search>[]): Promise<ProgramFact[]> {
  const tools = (await Promise.all(searches)).map(({ tool, rejected }, index): ProgramFact => {
    const name = toolNames[index]!
    return { name, version: tool?.version, rejected, fix: `zx scripts/setup.mts --only ${name}` }
  })
  const ssh = await which('ssh', { nothrow: true })
  const openssh = { version: ssh === null ? undefined : 'installed', rejected: [] }
  return [
    ...tools,
    { name: 'ssh', ...openssh, fix: 'install the OpenSSH client; Debian: apt install openssh-client' },
  ]
}

/** Where proxmint writes; a folder that is not there yet will be made in the nearest one above that is. */
async function gatherDisks(config: Config | undefined): Promise<DiskFact[]> {
  const folders = [config?.stateDir ?? resolve('.proxmint'), cacheFolder(), tmpdir()]
  return Promise.all(
    folders.map(async folder => {
      const path = await nearestThere(folder)
      const { bavail, bsize } = await statfs(path)
      const writable = await access(path, constants.W_OK).then(
        () => true,
        () => false,
      )
      return { path, freeBytes: bavail * bsize, writable }
    }),
  )
}

async function nearestThere(path: string): Promise<string> {
  const there = await stat(path).then(
    () => true,
    () => false,
  )
  return there ? path : nearestThere(dirname(path))
}

async function gatherFamilies(): Promise<Gathered<LoadedFamily>[]> {
  const names = await gather(() => listFamilies())
  if (!('value' in names)) return [names as Gathered<LoadedFamily>]
  return Promise.all(names.value.map(os => gather(() => loadFamilyFact(os))))
}

async function loadFamilyFact(os: string): Promise<LoadedFamily> {
  const template = await loadCheckedTemplate(os)
  const isCloned = template.sources.some(({ type }) => type === 'proxmox-clone')
  return { os, template, baseName: isCloned ? buildTarget(template, {}, process.env).baseName : undefined }
}
