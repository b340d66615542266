/** The user-data of a VM. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renderUserData, USER_DATA_FOLDER, type UserDataVariables } from '../../cloud-init/user-data.mts'
import { projectRoot } from '../../config/load.mts'
import type { AccessDesign, Entry, TokenRecord, VmDesign } from '../../registry/entry.mts'
import type { Site } from '../../site/site.mts'

const SIGNING_PAGE = new URL('../../../../contracts/signing-page/index.html', import.meta.url)

/** What user-data says of a VM. The address is undefined while it has none. */
export type UserDataVm = Pick<Entry, 'name' | 'purpose' | 'token'> & { address: string | undefined }

/** @throws ProxmintError where the cloud-init template is not there or cannot be filled in. */
export async function userDataOf(
  site: Pick<Site, 'userDataTemplate'>,
  entry: UserDataVm,
  { cloudInit, access }: Pick<VmDesign, 'cloudInit' | 'access'>,
): Promise<string> {
  const variables = {
    hostname: entry.name,
    username: cloudInit.username,
    purpose: entry.purpose,
    ssh_authorized_keys: cloudInit.sshAuthorizedKeys,
  }
  const folder = join(projectRoot(), USER_DATA_FOLDER)
  const read = () => site.userDataTemplate(cloudInit.template)
  if (access === null) return renderUserData(folder, cloudInit.template, variables, [], read)
  const own = await accessVariables(access, entry.address, entry.token)
  return renderUserData(folder, cloudInit.template, { ...variables, ...own }, ['gecos'], read)
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
