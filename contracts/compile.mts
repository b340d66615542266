/** Compiles the contracts to `contracts/build/`; run as `npm run contract`. Users need no compiler. */

import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

const require = createRequire(import.meta.url)

export const contractNames = ['AccessCredentialNFT', 'CredentialReader'] as const
export type ContractName = (typeof contractNames)[number]

/** Where a compiled contract stands. */
export function buildFile(name: ContractName): URL {
  return new URL(`build/${name}.json`, import.meta.url)
}

const settings = {
  viaIR: true,
  optimizer: { enabled: true, runs: 200 },
  evmVersion: 'cancun',
  // Without the hash of the sources the bytecode depends on nothing but the code.
  metadata: { bytecodeHash: 'none' },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
}

interface Output {
  errors?: { formattedMessage: string }[]
  contracts: Record<string, Record<string, { abi: object[]; evm: Record<string, { object: string }> }>>
}

/** The build file's text. @throws where solc has anything to say, be it a warning. */
export async function compileContract(name: ContractName): Promise<string> {
  const solc = require('solc') as Solc
  const file = `${name}.sol`
  const sources = { [file]: { content: await readFile(new URL(file, import.meta.url), 'utf8') } }
  const input = JSON.stringify({ language: 'Solidity', sources, settings })
  const output = JSON.parse(solc.compile(input, { import: readImport })) as Output
  if (output.errors !== undefined) {
    throw new Error(output.errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
  }
  const { abi, evm } = output.contracts[file]![name]!
  const build = {
    contractName: name,
    compiler: solc.version(),
    settings: { ...settings, outputSelection: undefined },
    abi,
    bytecode: `0x${evm['bytecode']!.object}`,
    deployedBytecode: `0x${evm['deployedBytecode']!.object}`,
  }
  return `${JSON.stringify(build, null, 2)}\n`
}

interface Solc {
  version(): string
  compile(
    input: string,
    callbacks: { import(path: string): { contents: string } | { error: string } },
  ): string
}

/** solc asks for an imported file and wants it at once. */
function readImport(path: string): { contents: string } | { error: string } {
  try {
    return { contents: readFileSync(require.resolve(path), 'utf8') }
  } catch (error) {
    return { error: String(error) }
  }
}

if (import.meta.main) {
  for (const name of contractNames) {
    await mkdir(dirname(buildFile(name).pathname), { recursive: true })
    await writeFile(buildFile(name), await compileContract(name))
  }
}
