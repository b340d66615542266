/** /cluster/backup: when VMs would be backed up. The lab keeps the jobs; none of them runs by itself. */

import { randomUUID } from 'node:crypto'
import { failure, parameterError } from '../core/errors.mts'
import { configId, idOf, nodeFormat, vmidFormat } from '../core/formats.mts'
import { listOf, type Parameters, splitList } from '../core/parameters.mts'
import { allOf, type Caller, requireAll } from '../core/permission.mts'
import { findProperty, type Properties, type Property, type PropertyFormat } from '../core/property.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { optionsFrom, putSection, type SectionFile, sectionsOf } from '../sections/section-file.mts'
import { PRUNE_FORMAT } from '../storage/config-schema.mts'

const path = '/cluster/backup'
const text: Property = { type: 'string', optional: true }
const flag: Property = { type: 'boolean', optional: true }
const word = (...words: string[]): Property => ({ ...text, enum: words })
const number = (minimum?: number, maximum?: number): Property => ({
  type: 'integer',
  ...(minimum !== undefined && { minimum }),
  ...(maximum !== undefined && { maximum }),
  optional: true,
})
const vmids: Property = { ...text, format: listOf(vmidFormat) }
const storage: Property = { ...text, format: idOf('storage') }

/** Options with parts, which Proxmox reads into objects. */
const PARTS: Record<string, PropertyFormat> = {
  'prune-backups': PRUNE_FORMAT,
  fleecing: { properties: { enabled: { type: 'boolean', defaultKey: true, optional: true }, storage } },
  performance: { properties: { 'max-workers': number(1, 256), 'pbs-entries-max': number(1) } },
}

const settings: Properties = {
  ...Object.fromEntries(Object.entries(PARTS).map(([key, format]) => [key, { ...text, format }])),
  all: flag,
  bwlimit: number(0),
  comment: { ...text, maxLength: 512 },
  compress: word('0', '1', 'gzip', 'lzo', 'zstd'),
  enabled: flag,
  exclude: vmids,
  'exclude-path': { type: 'array', items: { type: 'string' }, optional: true },
  ionice: number(0, 8),
  lockwait: number(0),
  mailnotification: word('always', 'failure'),
  mailto: text,
  mode: word('snapshot', 'suspend', 'stop'),
  node: { ...text, format: nodeFormat },
  'notes-template': { ...text, maxLength: 1024, requires: 'storage' },
  'notification-mode': word('auto', 'legacy-sendmail', 'notification-system'),
  'pbs-change-detection-mode': word('legacy', 'data', 'metadata'),
  pigz: number(),
  pool: text,
  protected: { ...flag, requires: 'storage' },
  quiet: flag,
  remove: flag,
  'repeat-missed': flag,
  schedule: { ...text, maxLength: 128 },
  script: text,
  starttime: { ...text, pattern: /^\d{1,2}:\d{1,2}$/ },
  stdexcludes: flag,
  stop: flag,
  stopwait: number(0),
  storage,
  tmpdir: text,
  vmid: vmids,
  zstd: number(),
}

const JOBS: SectionFile = { name: 'jobs.cfg', properties: settings, types: { vzdump: {} } }

const id: Property = { type: 'string', format: configId }
const mayAudit = allOf('/', 'Sys.Audit')
const mayModify = allOf('/', 'Sys.Modify')

type JobCall = Call<Record<string, unknown>>

function requireMay(caller: Caller, params: Record<string, unknown>): void {
  if (caller.authid === 'root@pam') return
  const rooted = ['tmpdir', 'script'].find(key => params[key] !== undefined)
  if (rooted !== undefined) throw parameterError({ [rooted]: 'Only root may set this option.' })
  if (params['storage'] !== undefined)
    requireAll(caller, `/storage/${params['storage']}`, 'Datastore.Allocate')
}

function requirePool({ pve, caller, params }: JobCall): void {
  const pool = params['pool'] as string | undefined
  if (!pool) return
  if (!pve.store.state.access.pools[pool]) throw failure(`pool '${pool}' does not exist`)
  requireAll(caller, `/pool/${pool}`, 'VM.Backup')
}

/** Turns a time of day into a schedule, and checks what a job is for. */
function prepared(job: Section, isWhole: boolean): Section {
  const { starttime, ...rest } = job
  if (starttime !== undefined && rest['schedule'] !== undefined)
    throw parameterError({ starttime: "'starttime' and 'schedule' cannot both be set" })
  const whole: Section = starttime === undefined ? rest : { ...rest, schedule: starttime }
  if (isWhole && whole['schedule'] === undefined)
    throw parameterError({ schedule: "neither 'starttime' nor 'schedule' were set" })
  for (const key of ['all', 'exclude', 'pool'])
    if (whole[key] && whole['vmid']) throw parameterError({ [key]: "option conflicts with option 'vmid'" })
  if (whole['exclude'] !== undefined && !whole['pool']) whole['all'] = 1
  return whole
}

function requireGuests(job: Section): void {
  if (!job['all'] && !job['stop'] && !job['pool'] && !job['vmid'])
    throw parameterError({ vmid: 'property is missing' })
}

function requireJob(pve: Pve, name: string): Section {
  const job = sectionsOf(pve, JOBS)[name]
  if (!job) throw parameterError({ id: `No such job '${name}'` })
  return job
}

function partsOf(format: PropertyFormat, value: string): ApiObject {
  return Object.fromEntries(
    Object.entries(parsePropertyString(format, value)).map(([key, part]) => {
      const type = findProperty(format.properties, key)?.type
      return [key, type === 'boolean' || type === 'integer' ? Number(part) : part]
    }),
  )
}

function shown(name: string, job: Section): ApiObject {
  const entries = Object.entries(job).map(([key, value]) => [
    key,
    PARTS[key] ? partsOf(PARTS[key], String(value)) : value,
  ])
  return { ...Object.fromEntries(entries), id: name }
}

function create(call: JobCall): void {
  const { pve, caller, params } = call
  requireMay(caller, params)
  requirePool(call)
  const job = prepared({ enabled: 1, ...optionsFrom(params, ['id']) }, true)
  const name = String(params['id'] ?? randomUUID())
  if (sectionsOf(pve, JOBS)[name]) throw failure(`Job '${name}' already exists`)
  requireGuests(job)
  putSection(pve, JOBS, name, 'vzdump', job)
}

/** Removes what a new choice of guests replaces. */
function withoutReplaced(job: Section, given: Section): Section {
  const replaced =
    given['vmid'] !== undefined
      ? ['all', 'exclude', 'pool']
      : given['all']
        ? ['vmid', 'pool']
        : job['pool']
          ? ['vmid', 'all', 'exclude']
          : []
  return Object.fromEntries(Object.entries(job).filter(([key]) => !replaced.includes(key)))
}

function update(call: JobCall): void {
  const { pve, caller, params } = call
  requireMay(caller, params)
  requirePool(call)
  const given = prepared(optionsFrom(params, ['id']), false)
  const remove = splitList(params['delete'] as string | undefined)
  if (Object.keys(given).length === 0 && remove.length === 0) throw failure('no options specified')
  const name = String(params['id'])
  const before = sectionsOf(pve, JOBS)[name]
  if (!before) throw failure('no such vzdump job')
  const unknown = remove.find(key => settings[key] === undefined)
  if (unknown !== undefined) throw parameterError({ delete: `unknown option '${unknown}'` })
  const kept = Object.fromEntries(Object.entries(before).filter(([key]) => !remove.includes(key)))
  const job = withoutReplaced({ ...kept, ...given }, given)
  requireGuests(job)
  putSection(pve, JOBS, name, 'vzdump', job)
}

const changing: Parameters = {
  ...settings,
  id,
  delete: { type: 'string', format: listOf(configId), optional: true },
}

export const backupJobRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: mayAudit,
    parameters: {},
    handle: ({ pve }) => Object.entries(sectionsOf(pve, JOBS)).map(([name, job]) => shown(name, job)),
  }),
  route({
    method: 'POST',
    path,
    permission: mayModify,
    parameters: { ...settings, id: { ...id, optional: true } },
    handle: call => create(call as JobCall),
  }),
  route({
    method: 'GET',
    path: `${path}/{id}`,
    permission: mayAudit,
    parameters: { id },
    handle: ({ pve, params }) => shown(String(params.id), requireJob(pve, String(params.id))),
  }),
  route({
    method: 'PUT',
    path: `${path}/{id}`,
    permission: mayModify,
    parameters: changing,
    handle: call => update(call as JobCall),
  }),
  route({
    method: 'DELETE',
    path: `${path}/{id}`,
    permission: mayModify,
    parameters: { id },
    handle({ pve, params }) {
      requireJob(pve, String(params.id))
      delete sectionsOf(pve, JOBS)[String(params.id)]
    },
  }),
]
