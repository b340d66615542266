import { access, readFile, stat } from 'node:fs/promises'
import { isKeystoreJson, Wallet } from 'ethers'
import { decryptFile } from '../credentials/sops.mts'
import { codeOf, type ErrorDetails, exitCodes, ProxmintError } from '../run/errors.mts'
import { registerSecret } from '../run/redact.mts'

/** Key of a SOPS file that holds the signer's key. */
const SOPS_KEY = 'signer_private_key'

/** Key that owns the contract and pays for mints. */
export interface Signer {
  address: string
  /** Signs a type 2 transaction. @returns its raw bytes, hex. */
  sign(transaction: UnsignedTransaction): Promise<string>
}

interface UnsignedTransaction {
  chainId: number
  nonce: number
  /** Null for a deployment. */
  to: string | null
  data: string
  gasLimit: bigint
  /** Wei. */
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/**
 * Loads the signer of a key file: hex, an encrypted keystore, or a SOPS file with the key `signer_private_key`.
 * @throws ProxmintError (denied) if other users may read the file, or its password is missing or wrong; (invalid) if it
 *   holds no key.
 */
export async function loadSigner(
  path: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Signer> {
  if (path === undefined) {
    const hint = 'set deployer.private_key_file in config/web3-defaults.yaml'
    throw denied("no signer's key is configured", { hint })
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
      throw denied(`cannot read the signer's key: ${path}: ${codeOf(cause)}`, { cause })
    })
    return walletOf(path, String((await decryptFile(path, [SOPS_KEY]))[SOPS_KEY] ?? ''))
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
      // The number is not on the curve. The library's message would show the key.
    }
  }
  throw denied(`${path} holds no private key`, {
    hint: 'it must hold 64 hex digits, an encrypted keystore (JSON), or a SOPS file *.enc.yaml with signer_private_key in quotes',
    exitCode: exitCodes.invalid,
  })
}

async function openKeystore(path: string, text: string, env: NodeJS.ProcessEnv) {
  const password = await keystorePassword(path, env)
  registerSecret(password)
  try {
    const wallet = await Wallet.fromEncryptedJson(text, password)
    registerSecret(wallet.privateKey.slice(2))
    return wallet
  } catch (cause) {
    throw denied(`cannot open the keystore ${path}`, {
      hint: 'the password is wrong, or the file is damaged',
      cause,
    })
  }
}

async function keystorePassword(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const file = env['PROXMINT_SIGNER_PASSWORD_FILE']
  if (file !== undefined && file !== '') {
    return (await readPrivateFile(file, "the keystore's password")).replace(/\r?\n$/, '')
  }
  const password = env['PROXMINT_SIGNER_PASSWORD']
  if (password !== undefined && password !== '') return password
  throw denied(`${path} is encrypted, and its password is not set`, {
    hint: 'name a file with it in PROXMINT_SIGNER_PASSWORD_FILE, or set PROXMINT_SIGNER_PASSWORD',
  })
}

/** Reads a file that only its owner may read. @throws ProxmintError (denied) if other users may read it. */
async function readPrivateFile(path: string, what: string): Promise<string> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) === 0) return await readFile(path, 'utf8')
  } catch (cause) {
    throw denied(`cannot read ${what}: ${path}: ${codeOf(cause)}`, { cause })
  }
  throw denied(`other users may read ${what}: ${path}`, {
    hint: `chmod 600 ${path}; if somebody else may have read it, make a new one`,
  })
}

function denied(message: string, details: ErrorDetails): ProxmintError {
  return new ProxmintError(message, { exitCode: exitCodes.denied, ...details })
}
