/** Our user-data, and what we think cloud-init knows, beside the schema of the cloud-init that Debian packages. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Draft4 from 'ajv-draft-04'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { cloudConfigKeys } from '../../scripts/lib/cloud-init/cloud-config.mts'
import { renderUserData, USER_DATA_FOLDER } from '../../scripts/lib/cloud-init/user-data.mts'
import { accessVariables } from '../../scripts/lib/vm/stack/user-data.mts'
import { temporaryFolder } from '../unit/temporary.mts'
import { repository } from './workspace.mts'

interface Schema {
  $defs: Record<string, { properties?: Record<string, unknown> }>
  allOf: { $ref: string }[]
}

const run = promisify(execFile)
const ours = join(repository, USER_DATA_FOLDER)

/** Undefined where the package cannot be had. */
async function schemaOfCloudInit(): Promise<Schema | undefined> {
  const folder = await temporaryFolder()
  const got = await run('apt-get', ['download', 'cloud-init'], { cwd: folder }).catch(() => undefined)
  if (got === undefined) return undefined
  const [file] = (await readdir(folder)).filter(name => name.endsWith('.deb'))
  await run('dpkg-deb', ['-x', file!, 'tree'], { cwd: folder })
  const names = await readdir(join(folder, 'tree'), { recursive: true })
  const path = names.find(name => name.endsWith('schema-cloud-config-v1.json'))!
  return JSON.parse(await readFile(join(folder, 'tree', path), 'utf8'))
}

const common = {
  hostname: 'web-1',
  username: 'me',
  purpose: 'a shop',
  ssh_authorized_keys: ['ssh-ed25519 AAAA a'],
}

test('every template is valid, and every key we know is one', async context => {
  const schema = await schemaOfCloudInit()
  if (schema === undefined) return context.skip('Debian’s package of cloud-init cannot be had: no schema')
  const known = schema.allOf.flatMap(({ $ref }) =>
    Object.keys(schema.$defs[$ref.split('/').at(-1)!]!.properties ?? {}),
  )
  expect(cloudConfigKeys.filter(key => !known.includes(key))).toEqual([])
  const ajv = new Draft4.default({ strict: false, allErrors: true, validateFormats: false })
  const validate = ajv.compile(schema)
  const token = { status: 'minted' as const, id: '7', transaction: '0x1' }
  const access = {
    ...{
      chainId: 1,
      contract: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
      rpcUrl: 'https://rpc.example.net/',
    },
    ...{ signingPagePort: 8080, otpLength: 6, otpTtlSeconds: 300, decryptMessage: '', userEncrypted: '0x' },
    mintLater: false,
  }
  const variables = { ...common, ...(await accessVariables(access, '192.0.2.5', token)) }
  for (const file of await readdir(ours)) {
    const text = await renderUserData(ours, file.replace('.yaml', ''), variables)
    validate(parse(text))
    expect(validate.errors ?? [], file).toEqual([])
  }
  // The schema is one that can say no.
  expect(validate({ runcmd: 'reboot' })).toBe(false)
})
