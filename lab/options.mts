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
}
