/** The user-data of a VM. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MountedDisk } from '../../cloud-init/mounted-disks.mts'
import { renderUserData, USER_DATA_FOLDER, type UserDataVariables } from '../../cloud-init/user-data.mts'
import { projectRoot } from '../../config/load.mts'
import type { AccessDesign, Entry, TokenRecord, VmDesign } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { Site } from '../../site/site.mts'

const SIGNING_PAGE = new URL('../../../../contracts/signing-page/index.html', import.meta.url)

/** What user-data says of a VM. The address is undefined while it has none; without a phase it is not reserved yet. */
export type UserDataVm = Pick<Entry, 'name' | 'purpose' | 'token' | 'system'> & {
  address: string | undefined
  phase?: Entry['phase']
}

type UserDataDesign = Pick<VmDesign, 'cloudInit' | 'access' | 'userDataPurpose' | 'disks' | 'dataDisks'>

/** @throws ProxmintError where the cloud-init template is not there or cannot be filled in. */
export async function userDataOf(
  site: Pick<Site, 'userDataTemplate'>,
  entry: UserDataVm,
  design: UserDataDesign,
): Promise<string> {
  const { cloudInit, access, userDataPurpose = entry.purpose } = design
  const variables = {
    ...ownVariables(cloudInit.vars),
    hostname: entry.name,
    username: cloudInit.username,
    purpose: userDataPurpose,
    ssh_authorized_keys: cloudInit.sshAuthorizedKeys,
  }
  const disks = mountedDisks(entry, design)
  const folder = join(projectRoot(), USER_DATA_FOLDER)
  const read = () => site.userDataTemplate(cloudInit.template)
  if (access === null) return renderUserData(folder, cloudInit.template, variables, [], read, disks)
  const own = await accessVariables(access, entry.address, entry.token)
  return renderUserData(folder, cloudInit.template, { ...variables, ...own }, ['gecos'], read, disks)
}

/**
 * Lists the disks that the present system of a VM mounts. Another text would be another instance for cloud-init, which then
 * makes new SSH host keys: a disk that was added later is mounted by the next system, after `vm rebuild`.
 */
function mountedDisks(
  { phase = 'reserved', system = 0 }: UserDataVm,
  { disks = [], dataDisks = {} }: UserDataDesign,
): MountedDisk[] {
  return disks.flatMap(({ name, mount, filesystem = 'ext4' }) => {
    const first = dataDisks[name]?.firstSystem ?? (phase === 'reserved' ? 0 : Number.POSITIVE_INFINITY)
    return mount === undefined || first > system
      ? []
      : [{ serial: name, folder: mount, fileSystem: filesystem }]
  })
}

/** Names that proxmint fills in itself. */
const RESERVED = [
  ...['hostname', 'username', 'purpose', 'ssh_authorized_keys', 'gecos', 'signing_url', 'signing_page_port'],
  ...['signing_page', 'chain_id', 'nft_contract', 'rpc_url', 'otp_length', 'otp_ttl_seconds'],
  'login_grace_seconds',
]

/** @throws ProxmintError (usage) for a name that proxmint fills in itself. */
function ownVariables(vars: UserDataVariables = {}): UserDataVariables {
  const taken = Object.keys(vars).find(name => RESERVED.includes(name))
  if (taken === undefined) return vars
  throw new ProxmintError(`a cloud-init template has {{ ${taken} }} from proxmint`, {
    hint: `give the variable another name: --var, \`vars\` of a fleet file, cloud_init.vars in config/vm.yaml`,
    exitCode: exitCodes.usage,
  })
}

/**
 * The variables of user-data for a VM with an access credential: its token, and how it asks for it.
 * @param address of the VM; undefined while it has none.
 */
export async function accessVariables(
  access: AccessDesign,
  address: string | undefined,
  token: TokenRecord | null,
): Promise<UserDataVariables> {
  const host = address?.includes(':') ? `[${address}]` : (address ?? '')
  return {
    gecos: token?.id == null ? '' : `nft=${token.id}`,
    signing_url: `http://${host}:${access.signingPagePort}/`,
    signing_page_port: String(access.signingPagePort),
    signing_page: await readFile(SIGNING_PAGE, 'utf8'),
    chain_id: String(access.chainId),
    nft_contract: access.contract,
    rpc_url: access.rpcUrl,
    otp_length: String(access.otpLength),
    otp_ttl_seconds: String(access.otpTtlSeconds),
    // Somebody who signs in the last second still has to paste it.
    login_grace_seconds: String(access.otpTtlSeconds + 30),
  }
}
