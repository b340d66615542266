/** Every operation the server knows. Whatever is not here answers 501, as an unknown one does on Proxmox. */

import type { Route } from './core/route.mts'
import { accessRoutes } from './routes/access.mts'
import { accessAclRoutes } from './routes/access-acl.mts'
import { accessRoleRoutes } from './routes/access-roles.mts'
import { accessTokenRoutes } from './routes/access-tokens.mts'
import { accessUserRoutes } from './routes/access-users.mts'
import { clusterRoutes } from './routes/cluster.mts'
import { nodeRoutes } from './routes/node.mts'
import { nodeTaskRoutes } from './routes/node-tasks.mts'
import { poolRoutes } from './routes/pools.mts'
import { qemuRoutes } from './routes/qemu.mts'
import { qemuAgentRoutes } from './routes/qemu-agent.mts'
import { qemuConfigRoutes } from './routes/qemu-config.mts'
import { qemuDiskRoutes } from './routes/qemu-disks.mts'
import { qemuMigrateRoutes } from './routes/qemu-migrate.mts'
import { qemuStatusRoutes } from './routes/qemu-status.mts'
import { storageRoutes } from './routes/storage.mts'
import { storageContentRoutes } from './routes/storage-content.mts'
import { storageTransferRoutes } from './routes/storage-transfer.mts'
import { versionRoutes } from './routes/version.mts'

export const routes: readonly Route[] = [
  ...accessRoutes,
  ...accessUserRoutes,
  ...accessTokenRoutes,
  ...accessRoleRoutes,
  ...accessAclRoutes,
  ...poolRoutes,
  ...versionRoutes,
  ...clusterRoutes,
  ...nodeRoutes,
  ...nodeTaskRoutes,
  ...storageRoutes,
  ...storageContentRoutes,
  ...storageTransferRoutes,
  ...qemuRoutes,
  ...qemuConfigRoutes,
  ...qemuStatusRoutes,
  ...qemuDiskRoutes,
  ...qemuMigrateRoutes,
  ...qemuAgentRoutes,
]
