import { access, readFile, stat } from 'node:fs/promises'
import { isKeystoreJson, Wallet } from 'ethers'
import { decryptFile } from '../credentials/sops.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { registerSecret } from '../run/redact.mts'

/** Whoever owns the contract and pays for mints. */
export interface Signer {
  address: string
  /** A type 2 transaction as signed raw bytes, hex. */
  sign(transaction: UnsignedTransaction): Promise<string>
}

interface UnsignedTransaction {
  chainId: number
  nonce: number
  /** Null deploys. */
  to: string | null
  data: string
  gasLimit: bigint
  /** Wei. */
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/**
 * The signer of a key file: hex, an encrypted keystore, or a SOPS file with the key `signer_private_key`.
 * @throws ProxmintError (denied) where others may read the file, or its password is missing or wrong.
 */
export async function loadSigner(
  path: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Signer> {
  if (path === undefined) {
    throw denied(
      "no signer's key is configured",
      'set deployer.private_key_file in config/web3-defaults.yaml',
    )
  }
  const wallet = await readWallet(path, env)
  return { address: wallet.address, sign: fields => wallet.signTransaction({ type: 2, ...fields }) }
}

async function readWallet(
  path: string,
  env: NodeJS.ProcessEnv,
): Promise<Pick<Wallet, 'address' | 'signTransaction'>> {
  if (/\.enc\.ya?ml$/.test(path)) {
    await access(path).catch(cause => {
      throw denied(
        `cannot read the signer's key: ${path}: ${codeOf(cause)}`,
        undefined,
        exitCodes.denied,
        cause,
      )
    })
    return walletOf(path, String((await decryptFile(path))['signer_private_key'] ?? ''))
  }
  const text = await readPrivateFile(path, "the signer's key")
  return isKeystoreJson(text) ? openKeystore(path, text, env) : walletOf(path, text)
}

function walletOf(path: string, text: string): Wallet {
  const key = text.trim().replace(/^0x/, '')
  registerSecret(key)
  if (/^[0-9a-fA-F]{64}$/.test(key)) {
    try {
      return new Wallet(`0x${key}`)
    } catch {
      // Not on the curve: the library's message would show the key.
    }
  }
  throw denied(
    `${path} holds no private key`,
    'it takes 64 hex digits, an encrypted keystore (JSON), or a SOPS file *.enc.yaml with signer_private_key in quotes',
    exitCodes.invalid,
  )
}

async function openKeystore(path: string, text: string, env: NodeJS.ProcessEnv) {
  const password = await keystorePassword(path, env)
  registerSecret(password)
  try {
    const wallet = await Wallet.fromEncryptedJson(text, password)
    registerSecret(wallet.privateKey.slice(2))
    return wallet
  } catch (cause) {
    throw denied(
      `cannot open the keystore ${path}`,
      'the password is wrong, or the file is damaged',
      exitCodes.denied,
      cause,
    )
  }
}

async function keystorePassword(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const file = env['PROXMINT_SIGNER_PASSWORD_FILE']
  if (file !== undefined && file !== '') {
    return (await readPrivateFile(file, "the keystore's password")).replace(/\r?\n$/, '')
  }
  const password = env['PROXMINT_SIGNER_PASSWORD']
  if (password !== undefined && password !== '') return password
  throw denied(
    `${path} is encrypted, and its password is not known`,
    'name a file with it in PROXMINT_SIGNER_PASSWORD_FILE, or set PROXMINT_SIGNER_PASSWORD',
  )
}

/** @throws ProxmintError (denied) where anybody but the file's owner may read it. */
async function readPrivateFile(path: string, what: string): Promise<string> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) === 0) return await readFile(path, 'utf8')
  } catch (cause) {
    throw denied(`cannot read ${what}: ${path}: ${codeOf(cause)}`, undefined, exitCodes.denied, cause)
  }
  throw denied(
    `others than its owner may read ${what}: ${path}`,
    `chmod 600 ${path}; if others had access, make a new one`,
  )
}

function denied(
  message: string,
  hint?: string,
  exitCode: number = exitCodes.denied,
  cause?: unknown,
): ProxmintError {
  return new ProxmintError(message, { hint, exitCode, cause })
}
