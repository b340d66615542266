import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

interface FailedRequest {
  method: string
  path: string
  identity: string
  status: number
  /** Reason phrase of the status line: Proxmox puts its message there. */
  reason: string
  body: string
}

/** Error answer of Proxmox VE, with its status for callers that handle it. */
export class ProxmoxApiError extends ProxmintError {
  readonly status: number
  /** Message of Proxmox, one line. */
  readonly reason: string
  /** Status 400: the fault of each parameter. */
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

/** Awaits a request. @returns `otherwise` if Proxmox answers with this status and, if given, such a reason. */
export async function unlessStatus<T, U>(
  status: number,
  request: Promise<T>,
  otherwise: U,
  reason = /^/,
): Promise<T | U> {
  try {
    return await request
  } catch (error) {
    if (error instanceof ProxmoxApiError && error.status === status && reason.test(error.reason))
      return otherwise
    throw error
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

/** Denied privilege. Any one of `privileges` would be enough. */
export interface DeniedPrivilege {
  path: string
  privileges: string[]
}

/** Parses `Permission check failed (/vms/100, VM.Audit|VM.Monitor)`; undefined for any other text. */
export function parseDenied(text: string): DeniedPrivilege | undefined {
  const match = /Permission check failed \((\/[^,\s)]*), ([\w.|]+)\)/.exec(text)
  if (match === null) return undefined
  return { path: match[1]!, privileges: match[2]!.split('|') }
}

/** True for 502 to 504, and for 595 to 599 of Proxmox's own proxy: the node itself did not answer. */
export function isGatewayStatus(status: number): boolean {
  return (status >= 502 && status <= 504) || (status >= 595 && status <= 599)
}

/** Error for a failed request, with the hint and exit code of its status. */
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
    ? `Proxmox does not know ${identity} with this secret: correct user, realm, token id or secret ` +
        '(sops edit secrets/proxmox-creds.enc.yaml, or PROXMOX_USERNAME and PROXMOX_TOKEN), and check that neither user nor token is disabled or expired'
    : `Proxmox does not know ${identity} with this password: check user, realm and password ` +
        '(proxmox_password), and that the user is neither disabled nor expired'
}

interface ConnectionFailure {
  why: string
  hint: string
  exitCode?: number
}

/** Failure of the server's certificate: exit code 4. */
function badCertificate(
  why: string,
  hint = 'set proxmox_ca_file to the CA that signed it (on a node: /etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true on a network you trust',
): ConnectionFailure {
  return { why, hint, exitCode: exitCodes.denied }
}

const NO_ROUTE_HINT = 'check the network between this machine and the node'
const NO_TLS = { why: 'it does not speak TLS', hint: 'check the port in proxmox_url: the API is on 8006' }
const UNKNOWN_CA = badCertificate('its certificate is signed by an unknown CA')

/** Failures by the code of the system's or OpenSSL's error. */
const CONNECTION_FAILURES: Record<string, ConnectionFailure> = {
  ECONNREFUSED: {
    why: 'connection refused',
    hint: 'check host and port in proxmox_url (8006), and that pveproxy runs',
  },
  ENOTFOUND: { why: 'no such host', hint: 'check the host name in proxmox_url' },
  EAI_AGAIN: { why: 'the name server did not answer', hint: 'check the network of this machine' },
  ETIMEDOUT: { why: 'no answer in time', hint: 'check host, port and the firewalls between' },
  ANSWER_TOO_LONG: {
    why: 'its answer is longer than 32 MiB',
    hint: 'check proxmox_url: it is the API of a node, https://HOST:8006/api2/json',
    exitCode: exitCodes.invalid,
  },
  EHOSTUNREACH: { why: 'no route to the host', hint: NO_ROUTE_HINT },
  ENETUNREACH: { why: 'no route to the network', hint: NO_ROUTE_HINT },
  ECONNRESET: {
    why: 'the connection was reset',
    hint: 'try again; look at pveproxy on the node if it stays',
  },
  EPROTO: NO_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: badCertificate('its certificate is self-signed'),
  CERT_SIGNATURE_FAILURE: badCertificate('its certificate is signed by another CA of the same name'),
  CERT_HAS_EXPIRED: badCertificate(
    'its certificate has expired',
    'renew it on the node: `pvecm updatecerts --force`',
  ),
  ERR_TLS_CERT_ALTNAME_INVALID: badCertificate(
    'its certificate is for another name',
    'use a name in proxmox_url that the certificate holds',
  ),
}

/** Error for a request without an answer. @param endpoint `urlFrom` names the setting that has the URL. */
export function connectionError(
  { url, urlFrom }: { url: string; urlFrom?: string | undefined },
  cause: Error,
): ProxmintError {
  const { why, ...known } = CONNECTION_FAILURES[codeOf(cause) ?? ''] ?? { why: cause.message }
  const message = `cannot reach Proxmox VE at ${url}: ${why}`
  return new ProxmintError(message, { facts: { 'set by': urlFrom }, ...known, cause })
}
