import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

interface FailedRequest {
  method: string
  path: string
  identity: string
  status: number
  /** The reason phrase of the status line: Proxmox puts its message there. */
  reason: string
  body: string
}

/** An answer of Proxmox VE that is an error. The same error, with the status for those who handle it. */
export class ProxmoxApiError extends ProxmintError {
  readonly status: number
  /** Proxmox's own words, one line. */
  readonly reason: string
  /** Of a 400: what is wrong with each parameter. */
  readonly parameterErrors: Record<string, string>

  constructor(request: FailedRequest, explanation: { hint?: string | undefined; exitCode?: number } = {}) {
    const path = request.path.split('?')[0]
    const { message, errors } = parseBody(request)
    super(`${request.method} ${path}: ${request.status} ${message}`, {
      facts: { ...errors, identity: request.identity },
      ...explanation,
    })
    this.status = request.status
    this.reason = message
    this.parameterErrors = errors
  }
}

function parseBody({ reason, body }: FailedRequest): { message: string; errors: Record<string, string> } {
  try {
    const parsed = JSON.parse(body) as { message?: string; errors?: Record<string, string> }
    const message = (parsed.message ?? reason).trim().split('\n')[0]!
    return { message, errors: mapTrim(parsed.errors ?? {}) }
  } catch {
    return { message: reason, errors: {} }
  }
}

function mapTrim(errors: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(errors).map(([key, text]) => [key, String(text).trim()]))
}

/** A denied privilege as Proxmox words it; the privileges are alternatives. */
export interface DeniedPrivilege {
  path: string
  privileges: string[]
}

/** `Permission check failed (/vms/100, VM.Audit|VM.Monitor)` taken apart; undefined for any other text. */
export function parseDenied(text: string): DeniedPrivilege | undefined {
  const match = /Permission check failed \((\/[^,\s)]*), ([\w.|]+)\)/.exec(text)
  if (match === null) return undefined
  return { path: match[1]!, privileges: match[2]!.split('|') }
}

/** 502 to 504, and 595 to 599 of Proxmox's own proxy: the node that was to answer did not. */
export function isGatewayStatus(status: number): boolean {
  return (status >= 502 && status <= 504) || (status >= 595 && status <= 599)
}

export function apiError(request: FailedRequest): ProxmoxApiError {
  if (request.status === 401) {
    return new ProxmoxApiError(request, { hint: refusedLogin(request), exitCode: exitCodes.denied })
  }
  if (/hostname lookup '\S+' failed/.test(request.reason)) {
    const hint = 'check proxmox_node: it is the name of a node as Proxmox shows it under Datacenter'
    return new ProxmoxApiError(request, { hint, exitCode: exitCodes.invalid })
  }
  if (isGatewayStatus(request.status)) {
    const hint =
      'a node is busy, restarting or out of reach: try again; if it stays, look at pveproxy and pvedaemon on the node'
    return new ProxmoxApiError(request, { hint })
  }
  if (request.status !== 403) return new ProxmoxApiError(request)
  const denied = parseDenied(`${request.reason} ${request.body}`)
  const lacking = denied && `${request.identity} lacks ${denied.privileges.join(' or ')} on ${denied.path}; `
  return new ProxmoxApiError(request, {
    hint: `${lacking ?? ''}\`zx scripts/check-permissions.mts\` prints the pveum lines that close the gap`,
    exitCode: exitCodes.denied,
  })
}

function refusedLogin({ identity }: FailedRequest): string {
  return identity.includes('!')
    ? `Proxmox does not know ${identity} with this secret: check user, realm, token id and secret ` +
        '(`zx scripts/credentials.mts check`), and that neither user nor token is disabled or expired'
    : `Proxmox does not know ${identity} with this password: check user, realm and password ` +
        '(proxmox_password), and that the user is neither disabled nor expired'
}

const tlsHint =
  'set proxmox_ca_file to the CA that signed it (on a node: /etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true on a network you trust'

const connectionFailures: Record<string, { why: string; hint: string; exitCode?: number }> = {
  ECONNREFUSED: {
    why: 'connection refused',
    hint: 'check host and port in proxmox_url (8006), and that pveproxy runs',
  },
  ENOTFOUND: { why: 'no such host', hint: 'check the host name in proxmox_url' },
  EAI_AGAIN: { why: 'the name server did not answer', hint: 'check the network of this machine' },
  ETIMEDOUT: { why: 'no answer in time', hint: 'check host, port and the firewalls between' },
  EHOSTUNREACH: { why: 'no route to the host', hint: 'check the network between this machine and the node' },
  ENETUNREACH: {
    why: 'no route to the network',
    hint: 'check the network between this machine and the node',
  },
  ECONNRESET: {
    why: 'the connection was reset',
    hint: 'try again; look at pveproxy on the node if it stays',
  },
  EPROTO: { why: 'it does not speak TLS', hint: 'check the port in proxmox_url: the API is on 8006' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    why: 'it does not speak TLS',
    hint: 'check the port in proxmox_url: the API is on 8006',
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    why: 'its certificate is signed by an unknown CA',
    hint: tlsHint,
    exitCode: exitCodes.denied,
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    why: 'its certificate is self-signed',
    hint: tlsHint,
    exitCode: exitCodes.denied,
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    why: 'its certificate is signed by an unknown CA',
    hint: tlsHint,
    exitCode: exitCodes.denied,
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    why: 'its certificate is signed by an unknown CA',
    hint: tlsHint,
    exitCode: exitCodes.denied,
  },
  CERT_SIGNATURE_FAILURE: {
    why: 'its certificate is signed by another CA of the same name',
    hint: tlsHint,
    exitCode: exitCodes.denied,
  },
  CERT_HAS_EXPIRED: {
    why: 'its certificate has expired',
    hint: 'renew it on the node: `pvecm updatecerts --force`',
    exitCode: exitCodes.denied,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    why: 'its certificate is for another name',
    hint: 'use in proxmox_url a name the certificate holds',
    exitCode: exitCodes.denied,
  },
}

/** Why there was no answer at all, and what to do. @param endpoint with where its URL is set, for a person. */
export function connectionError(
  { url, urlFrom }: { url: string; urlFrom?: string | undefined },
  cause: Error,
): ProxmintError {
  const known = connectionFailures[codeOf(cause) ?? '']
  return new ProxmintError(`cannot reach Proxmox VE at ${url}: ${known?.why ?? cause.message}`, {
    facts: { 'set by': urlFrom },
    hint: known?.hint,
    exitCode: known?.exitCode,
    cause,
  })
}
