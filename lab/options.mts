/** Options of the command line, for `pve-lab` and for programs that offer the lab as a command of their own. */

import { DEFAULT_STATE_FOLDER } from './record.mts'

interface LabOption {
  type: 'string' | 'boolean'
  /** True: a user may repeat the option. */
  multiple?: boolean
  /** Name of the value in a help text: `DIR`. */
  value?: string
  /** All accepted values, if there is a list of them. */
  choices?: readonly string[]
  default?: string | number
  help: string
}

export const LAB_SUMMARY = 'Runs an embedded Proxmox VE with guests, in a network of its own.'

const STATE: Record<string, LabOption> = {
  state: {
    type: 'string',
    value: 'DIR',
    default: DEFAULT_STATE_FOLDER,
    help: 'folder that is kept between labs',
  },
}

export const LAB_OPTIONS: Record<string, LabOption> = {
  ...STATE,
  listen: {
    type: 'string',
    value: 'HOST:PORT',
    default: '127.0.0.1:0',
    help: 'where the API listens; port 0 is a free one',
  },
  public: { type: 'boolean', help: 'let --listen be an address that other machines reach' },
  'user-cfg': { type: 'string', value: 'FILE', help: "users and ACLs in Proxmox's own user.cfg format" },
  cluster: {
    type: 'string',
    value: 'FILE',
    help: 'nodes and storages: see docs/lab.md (default one node)',
  },
  'pve-version': {
    type: 'string',
    value: '8|9',
    choices: ['8', '9'],
    default: 9,
    help: 'major version of Proxmox VE',
  },
  guests: {
    type: 'string',
    value: 'sim|qemu|none',
    choices: ['sim', 'qemu', 'none'],
    default: 'sim',
    help: 'simulated guests, real machines, or none',
  },
  image: {
    type: 'string',
    multiple: true,
    value: 'NAME',
    choices: ['debian-12', 'debian-13'],
    help: 'debian-12 (default), debian-13',
  },
  isolation: {
    type: 'string',
    value: 'MODE',
    choices: ['auto', 'namespace', 'loopback'],
    default: 'auto',
    help: 'auto, namespace, or loopback: all on 127.0.0.1',
  },
  fault: { type: 'string', value: 'FILE', help: 'faults to inject, as a YAML list: see docs/lab-faults.md' },
  chain: { type: 'boolean', help: 'add a chain with the contract of access credentials' },
  'time-scale': {
    type: 'string',
    value: 'X',
    default: 1,
    help: 'factor for the duration of tasks; 0: no waiting',
  },
  'stale-seconds': {
    type: 'string',
    value: 'N',
    help: 'age of names and status in /cluster/resources (default 10 times the time scale)',
  },
}

const RECORD_OPTIONS: Record<string, LabOption> = {
  url: {
    type: 'string',
    value: 'URL',
    help: 'the Proxmox: https://HOST:8006/api2/json (default PROXMOX_URL)',
  },
  node: { type: 'string', value: 'NAME', help: 'node for the VMs (default the only one)' },
  storage: {
    type: 'string',
    multiple: true,
    value: 'NAME=STORAGE',
    help: 'storage that takes the place of one of the sequence, such as tank=local-lvm',
  },
  block: {
    type: 'string',
    value: 'N',
    default: 990_100,
    help: 'takes the VMIDs from N000 to N999',
  },
  out: { type: 'string', value: 'FILE', help: 'where the answers go (default standard output)' },
  'dry-run': { type: 'boolean', help: 'tell how many steps would be sent, and send none' },
  clean: { type: 'boolean', help: 'remove the VMs of a recording that was interrupted' },
}

interface LabVerb {
  /** Words and options behind the verb. */
  usage: string
  summary: string
  options: Record<string, LabOption>
  /** Largest number of words behind the verb. */
  positionals: number
}

/** Subcommands, each with its own options. */
export const LAB_VERBS: Record<string, LabVerb> = {
  up: {
    usage: '[--guests sim|qemu|none] ...',
    summary: 'Starts the lab, and runs until Ctrl-C.',
    options: LAB_OPTIONS,
    positionals: 0,
  },
  down: { usage: '', summary: 'Stops the lab.', options: STATE, positionals: 0 },
  status: { usage: '', summary: 'Prints where the lab is.', options: STATE, positionals: 0 },
  exec: {
    usage: '-- COMMAND',
    summary: 'Runs a command where it reaches the lab and its guests.',
    options: STATE,
    positionals: Number.POSITIVE_INFINITY,
  },
  fault: {
    usage: 'set FILE | clear | list',
    summary: 'Sets, removes or lists faults of the API.',
    options: STATE,
    positionals: 2,
  },
  record: {
    usage: 'FILE --url URL [--storage NAME=STORAGE ...]',
    summary: 'Sends a recorded sequence to a Proxmox, on VMs of its own, and writes its answers.',
    options: RECORD_OPTIONS,
    positionals: 1,
  },
}

/** Options of all subcommands, each name once. */
export const ALL_LAB_OPTIONS: Record<string, LabOption> = { ...LAB_OPTIONS, ...RECORD_OPTIONS }
