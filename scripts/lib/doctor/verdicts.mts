import { missingLines } from '../permissions/check.mts'
import { counted } from '../run/counted.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { noBridge } from '../site/require-bridge.mts'
import { noSuchNode } from '../site/require-node.mts'
import { storageFaults } from '../site/require-storages.mts'
import { isAtLeast } from '../tools/versions.mts'
import type { Facts } from './facts.mts'
import { type Area, about, type Finding, faultOf, ok } from './finding.mts'
import { templateFindings } from './templates.mts'

const gib = 2 ** 30
const tolerableSkewMs = 30_000

/** What is well and what is not, from the facts alone, area by area. */
export function verdicts(facts: Facts): Finding[] {
  return [
    ...programs(facts),
    ...disks(facts),
    ...configs(facts),
    ...about('credentials', facts.credentials, ({ node }) => [ok('credentials', `for node ${node}`)], true),
    ...logins(facts),
    ...about('clock', facts.clockAheadMs, clock),
    ...permissions(facts),
    ...about('node', facts.node, node),
    ...about('storages', facts.storages, storages),
    ...about('bridges', facts.bridges, bridges),
    ...families(facts),
    ...templateFindings(facts),
    ...nodeSsh(facts),
    ...chain(facts),
    ...about('registry', facts.registry, registry),
  ]
}

/** 4 where nothing but credentials and privileges is wrong, 1 for any other fault. */
export function exitCodeOf(findings: Finding[]): number {
  const faults = findings.filter(({ level }) => level === 'fault')
  if (faults.length === 0) return exitCodes.done
  return faults.every(({ denied }) => denied === true) ? exitCodes.denied : exitCodes.failed
}

/** The faults, or that all is well. */
function faultsOr(area: Area, errors: unknown[], well: string): Finding[] {
  return errors.length === 0 ? [ok(area, well)] : errors.map(error => faultOf(area, error))
}

/** Of several that say the same the first. */
function once(findings: Finding[]): Finding[] {
  return findings.filter((one, index) => findings.findIndex(({ what }) => what === one.what) === index)
}

function programs({ programs }: Facts): Finding[] {
  const there = programs.filter(({ version }) => version !== undefined)
  const missing = programs.filter(({ version }) => version === undefined)
  return [
    ok('tools', there.map(({ name, version }) => `${name} ${version}`).join(', ') || 'none'),
    ...missing.map(
      ({ name, rejected, fix }): Finding => ({
        area: 'tools',
        level: 'fault',
        what: `${name} is not installed, or not usable`,
        facts: Object.fromEntries(rejected.map((reason, index) => [`found ${index + 1}`, reason])),
        fix,
      }),
    ),
  ]
}

function disks({ disks }: Facts): Finding[] {
  return disks.flatMap(({ path, freeBytes, writable }): Finding[] => {
    const free = `${path}: ${(freeBytes / gib).toFixed(1)} GiB free`
    const area = 'disk'
    if (!writable) {
      return [
        { area, level: 'fault', what: `${path} cannot be written`, fix: `sudo chown -R "$USER" '${path}'` },
      ]
    }
    const fix = 'make room on its file system: logs, old container images, ~/.cache'
    if (freeBytes < gib / 4) return [{ area, level: 'fault', what: free, fix }]
    return freeBytes < gib ? [{ area, level: 'note', what: free, fix }] : [ok(area, free)]
  })
}

function configs({ configs }: Facts): Finding[] {
  const errors = configs.flatMap(one => ('error' in one ? [one.error] : []))
  // A file that is broken is read for more than one question.
  return once(faultsOr('config', errors, 'every file follows its schema'))
}

function logins({ logins }: Facts): Finding[] {
  const old = (version: string) =>
    new ProxmintError(`it is ${version}`, { hint: 'update it to 8.4 or newer' })
  return once(
    logins.flatMap(login =>
      about('Proxmox VE', login, ({ identity, version, major, minor }) =>
        isAtLeast(`${major}.${minor}`, '8.4')
          ? [ok('Proxmox VE', `${version}, as ${identity}`)]
          : [faultOf('Proxmox VE', old(version))],
      ),
    ),
  )
}

function clock(aheadMs: number | undefined): Finding[] {
  const area = 'clock'
  if (aheadMs === undefined) return [{ area, level: 'unknown', what: "a proxy hides Proxmox's clock" }]
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  const what = `Proxmox's clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} that of this machine`
  if (Math.abs(aheadMs) < tolerableSkewMs) return [ok(area, seconds < 2 ? 'both clocks agree' : what)]
  const fix =
    'on whichever is wrong: timedatectl set-ntp true (tickets, certificates and expiry go by the clock)'
  return [{ area, level: 'fault', what, fix }]
}

function permissions({ permissions }: Facts): Finding[] {
  return once(
    permissions.flatMap(one =>
      about('permissions', one, ({ work, verdict: { report, pveum } }): Finding[] => {
        if (report.missing.length === 0) return [ok('permissions', `${report.identity} may ${work}`)]
        const what = `${report.identity} lacks privileges for \`${work}\`:\n${missingLines(report).join('\n')}`
        const fix = `as root on a node:\n${pveum.join('\n')}`
        return [{ area: 'permissions', level: 'fault', what, fix, denied: true }]
      }),
    ),
  )
}

function node({ wanted, found }: { wanted: string; found: { node: string; status: string }[] }): Finding[] {
  const names = found.map(({ node }) => node)
  const status = found.find(({ node }) => node === wanted)?.status
  if (status === undefined)
    return [faultOf('node', noSuchNode(wanted, names, 'proxmox_node in the credentials'))]
  if (status === 'online') return [ok('node', `${wanted} is online`)]
  const fix = 'start it, or name another one: sops edit secrets/proxmox-creds.enc.yaml'
  return [{ area: 'node', level: 'fault', what: `${wanted} is ${status}`, fix }]
}

function storages({
  identity,
  node,
  wanted,
  found,
}: Extract<Facts['storages'], { value: unknown }>['value']): Finding[] {
  const faults = storageFaults({ identity }, node, wanted, found).map(error => faultOf('storages', error))
  const used = found.filter(({ storage }) => wanted.some(one => one.storage === storage))
  return [...faults, ...used.map(({ storage, ...space }) => storageSpace(storage, space))]
}

function storageSpace(
  storage: string,
  { active, avail, total }: { active?: number; avail?: number; total?: number },
): Finding {
  const area = 'storages'
  if (active === 0) {
    return {
      area,
      level: 'fault',
      what: `${storage} is not active`,
      fix: 'as root on the node: pvesm status',
    }
  }
  if (avail === undefined || total === undefined) {
    return { area, level: 'unknown', what: `${storage} does not tell how much is free` }
  }
  const what = `${storage}: ${(avail / gib).toFixed(1)} of ${(total / gib).toFixed(1)} GiB free`
  const fix = 'zx scripts/templates.mts prune; then look for what else can go: pvesm list'
  if (avail < gib) return { area, level: 'fault', what, fix: `${fix} ${storage}` }
  return avail < total / 10 ? { area, level: 'note', what, fix: `${fix} ${storage}` } : ok(area, what)
}

function bridges({ node, wanted, found }: Extract<Facts['bridges'], { value: unknown }>['value']): Finding[] {
  const lacking = wanted.filter(({ bridge }) => !found.includes(bridge))
  const hint = (setBy: string): string => `correct ${setBy}, or give the identity SDN.Use on it`
  const errors = lacking.map(({ bridge, setBy }) => noBridge(node, bridge, found, hint(setBy)))
  return faultsOr('bridges', errors, [...new Set(wanted.map(({ bridge }) => bridge))].join(', '))
}

function families({ families }: Facts): Finding[] {
  const errors = families.flatMap(one => ('error' in one ? [one.error] : []))
  return faultsOr('families', errors, `${families.length} follow the template rules`).map(finding =>
    finding.level === 'fault' ? { fix: 'correct the file that is named', ...finding } : finding,
  )
}

function nodeSsh({ nodeSsh }: Facts): Finding[] {
  if (nodeSsh === undefined) return [ok('node SSH', 'not needed')]
  return about('node SSH', nodeSsh, ({ user, host }) => [ok('node SSH', `${user}@${host}`)])
}

function chain({ chain, signer }: Facts): Finding[] {
  if (chain === undefined) return [ok('chain', 'none is configured')]
  const contract = about('chain', chain, one => [
    ok('chain', `contract ${one.contract}, ${one.profile}, on chain ${one.chainId}`),
  ])
  return signer === undefined || 'lacks' in signer
    ? contract
    : [...contract, ...about('chain', signer, signerFinding)]
}

function signerFinding({ address, balanceWei }: { address: string; balanceWei: bigint }): Finding[] {
  if (balanceWei > 0n) return [ok('chain', `the signer ${address} owns the contract and can pay`)]
  const fix = `send some of the chain's coin to ${address}`
  return [
    { area: 'chain', level: 'fault', what: `the signer ${address} has nothing to pay for mints with`, fix },
  ]
}

function registry({
  registry,
  entries,
  faults,
}: Extract<Facts['registry'], { value: unknown }>['value']): Finding[] {
  const fix =
    'zx scripts/registry.mts check; mend the config (a pool that moved: docs/vms.md), or restore a backup'
  if (faults.length === 0) return [ok('registry', `${registry}: ${counted(entries, 'VM')}`)]
  return faults.map(what => ({ area: 'registry', level: 'fault', what, fix }))
}
