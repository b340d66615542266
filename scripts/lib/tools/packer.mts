import { pins } from './pins.mts'
import { lastLine, probe } from './probe.mts'
import type { Candidate, Usability } from './tool.mts'
import { isAtLeast } from './versions.mts'

const { minimum, plugin } = pins.tools.packer

/**
 * Tests which kind of Packer this is. A modern one needs a proxmox plugin that loads. A 1.6 needs its built-in
 * proxmox-clone builder. Nobody maintains the versions in between.
 */
export async function examinePacker(candidate: Candidate, version: string): Promise<Usability> {
  if (isAtLeast(version, minimum['packer']!)) return await examineModern(candidate, version)
  if (version.startsWith('1.6.')) return await examinePackaged(candidate, version)
  return { usable: false, version, reason: `older than ${minimum['packer']} and not the packaged 1.6` }
}

async function examineModern(candidate: Candidate, version: string): Promise<Usability> {
  const listing = await probe(candidate, ['plugins', 'installed'])
  const files = listing.stdout.split('\n').filter(line => line.includes(`/${plugin.source}/`))
  if (files.length === 0) return { usable: false, version, reason: `has no plugin ${plugin.source}` }
  const faults: string[] = []
  for (const file of files) {
    const found = await examinePlugin(file.trim())
    if ('version' in found) return { usable: true, version, dialect: 'modern', plugin: found.version }
    faults.push(found.fault)
  }
  return { usable: false, version, reason: `its plugin ${plugin.source} ${faults.join('; ')}` }
}

/** Runs `describe`, as Packer does before it uses a plugin. */
async function examinePlugin(file: string): Promise<{ version: string } | { fault: string }> {
  const answer = await probe({ file }, ['describe'])
  try {
    const { version, builders } = JSON.parse(answer.stdout) as { version: string; builders: string[] }
    if (!builders.includes('clone')) return { fault: `${version} has no clone builder` }
    if (isAtLeast(version, plugin.minimum)) return { version }
    return { fault: `${version} is older than ${plugin.minimum}` }
  } catch {
    return { fault: `does not load (${lastLine(answer)})` }
  }
}

/** Validates an empty template: only a Packer that has the builder can name the missing settings. */
async function examinePackaged(candidate: Candidate, version: string): Promise<Usability> {
  const answer = await probe(candidate, ['validate', '-'], '{"builders":[{"type":"proxmox-clone"}]}')
  // URL and login may be set in the environment; the node may not.
  const known = /node must be specified/.test(`${answer.stdout}${answer.stderr}`)
  return known
    ? { usable: true, version, dialect: 'packaged' }
    : { usable: false, version, reason: `has no proxmox-clone builder (${lastLine(answer)})` }
}
