/** Who may log in over SSH: root, with the lab's client key or with the password of root@pam. */

import ssh2, { type AuthContext, type Connection, type PublicKeyAuthContext } from 'ssh2'

export interface Login {
  /** One line as in `authorized_keys`. */
  publicKey: string
  isPassword(text: string): boolean
}

const METHODS: ('publickey' | 'password')[] = ['publickey', 'password']

/** Answers the client's attempts. */
export function answerLogins(client: Connection, login: Login): void {
  const known = ssh2.utils.parseKey(login.publicKey)
  if (known instanceof Error) throw known
  client.on('authentication', context => {
    if (isAccepted(context, login, known)) context.accept()
    else context.reject(METHODS)
  })
}

function isAccepted(context: AuthContext, login: Login, known: ssh2.ParsedKey): boolean {
  if (context.username !== 'root') return false
  if (context.method === 'password') return login.isPassword(context.password)
  return context.method === 'publickey' && isSigned(context, known)
}

/** A client first asks whether a key would do, without a signature; only one with the signature logs it in. */
function isSigned({ key, signature, blob, hashAlgo }: PublicKeyAuthContext, known: ssh2.ParsedKey): boolean {
  if (key.algo !== known.type || !key.data.equals(known.getPublicSSH())) return false
  return signature === undefined || known.verify(blob!, signature, hashAlgo) === true
}
