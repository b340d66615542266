/**
 * The Packer that the tests run. The folder in PROXMINT_TEST_MODERN_PACKER_PATH is first on PATH, for the commands that
 * they start too.
 */
import { delimiter } from 'node:path'
import { vi } from 'vitest'
import { findTool } from '../../scripts/lib/tools/find.mts'

const given = process.env['PROXMINT_TEST_MODERN_PACKER_PATH']
if (given !== undefined) vi.stubEnv('PATH', [given, process.env['PATH']].join(delimiter))

export const packer = await findTool('packer')
export const isModern = packer?.dialect === 'modern'

/** What to do about tests that are skipped because the Packer is no modern one. */
export const howToRun =
  'put a Packer 1.10 or newer whose hashicorp/proxmox plugin is 1.2.3 or newer on PATH, or its folder in ' +
  'PROXMINT_TEST_MODERN_PACKER_PATH (and that of its plugins in PACKER_PLUGIN_PATH)'
