import { baseImages } from './areas/base-images.mts'
import { bridges } from './areas/bridges.mts'
import { chain } from './areas/chain.mts'
import { clock } from './areas/clock.mts'
import { config } from './areas/config.mts'
import { credentials } from './areas/credentials.mts'
import { disk } from './areas/disk.mts'
import { families } from './areas/families.mts'
import { logins } from './areas/logins.mts'
import { node } from './areas/node.mts'
import { nodeSsh } from './areas/node-ssh.mts'
import { permissions } from './areas/permissions.mts'
import { registry } from './areas/registry.mts'
import { sshKeys } from './areas/ssh-keys.mts'
import { storages } from './areas/storages.mts'
import { templates } from './areas/templates.mts'
import { tools } from './areas/tools.mts'
import type { DoctorCheck } from './check.mts'

/** All checks, in the order of the output. */
export const CHECKS: readonly DoctorCheck[] = [
  tools,
  disk,
  config,
  credentials,
  logins,
  clock,
  permissions,
  node,
  storages,
  bridges,
  families,
  baseImages,
  templates,
  nodeSsh,
  sshKeys,
  chain,
  registry,
]
