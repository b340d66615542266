/** Packer as a person runs it, past the rules and everything else the toolkit does. */
import { join } from 'node:path'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { writePackagedCopy } from '../../scripts/lib/packer/packaged-copy.mts'
import { loadTemplate } from '../../scripts/lib/packer/template.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import type { Workspace } from './workspace.mts'

/** `packer build ARGS .` in the workspace's template, or in its translated copy where Packer is the packaged one. */
export async function packerByHand(lab: Lab, workspace: Workspace, args: string[]): Promise<ExecResult> {
  const packer = await requireTool('packer')
  const isPackaged = packer.dialect === 'packaged'
  const templates = join(workspace.folder, 'packer')
  const folder = isPackaged
    ? (await writePackagedCopy(await loadTemplate('debian', templates), join(workspace.folder, 'copy')))
        .folder
    : join(templates, 'debian')
  const user = lab.tokenEnv['PROXMOX_USERNAME']!
  const env = {
    ...lab.tokenEnv,
    ...packer.env,
    PROXMOX_USERNAME: isPackaged ? user.split('!')[0] : user,
    PROXMOX_SKIP_TLS_VERIFY: 'false',
    SSL_CERT_FILE: lab.caFile,
    CHECKPOINT_DISABLE: '1',
  }
  return lab.exec([packer.file, 'build', '-color=false', ...args, '.'], { cwd: folder, env })
}
