/**
 * Logs in by SSH as the owner of a VM does: answers the one-time code with a wallet's signature of it. Run in the lab's
 * network, with what to do as JSON on standard input; prints what `id` prints in the VM, or why there was no login.
 */
import { text } from 'node:stream/consumers'
import { Wallet } from 'ethers'
import ssh2 from 'ssh2'

interface Login {
  host: string
  username: string
  walletKey: string
  /** Signed in the place of the code that is shown. */
  otherCode?: string
}

const { host, username, walletKey, otherCode } = JSON.parse(await text(process.stdin)) as Login
const wallet = new Wallet(walletKey)
const client = new ssh2.Client()
let shown = ''

client.on('keyboard-interactive', (name, instructions, _language, prompts, answer) => {
  shown += `${name}\n${instructions}\n${prompts.map(({ prompt }) => prompt).join('\n')}`
  const code = /Code: (\w+)/.exec(shown)?.[1]
  const machine = /Machine: (\S+)/.exec(shown)?.[1]
  if (prompts.length === 0) return answer([])
  wallet
    .signMessage(`Authenticate to ${machine} with code: ${otherCode ?? code}`)
    .then(signature => answer(prompts.map(() => signature)))
})
client.on('error', error => finish(`refused: ${error.message}`))
client.on('ready', () => {
  client.exec('id -un', (error, channel) => {
    if (error) return finish(`refused: ${error.message}`)
    let said = ''
    channel.on('data', (chunk: Buffer) => {
      said += chunk
    })
    channel.on('close', () => finish(`in as ${said.trim()}`))
  })
})
client.connect({
  host,
  username,
  tryKeyboard: true,
  authHandler: ['keyboard-interactive'],
  readyTimeout: 60_000,
})

function finish(result: string): void {
  process.stdout.write(`${JSON.stringify({ result, shown })}\n`)
  client.end()
}
