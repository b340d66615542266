import type { Credentials } from '../../../scripts/lib/credentials/credentials.mts'

/** The secret of the sample's API token. */
export const secret = 'c0ffee00-1111-4222-8333-444455556666'

/** Credentials with an API token alone. */
export const sampleCredentials: Credentials = {
  url: 'https://pve.example.net:8006/api2/json',
  user: 'terraform@pve',
  tokenId: 'terraform-token',
  tokenSecret: secret,
  node: 'pve',
  storagePool: 'tank',
  skipTlsVerify: false,
}
