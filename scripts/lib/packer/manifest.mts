import { readFile } from 'node:fs/promises'
import { ProxmintError } from '../run/errors.mts'

/** VM template in the manifest of Packer's post-processor. */
interface BuiltTemplate {
  vmid: number
  builder: string
  /** Seconds since the epoch. */
  builtAt: number
  customData: Record<string, string>
}

interface ManifestFile {
  last_run_uuid: string
  builds: {
    packer_run_uuid: string
    builder_type: string
    build_time: number
    artifact_id: string
    custom_data?: Record<string, string> | null
  }[]
}

/** Reads the only build of the last run. @throws ProxmintError If the manifest is missing or has no VMID. */
export async function readManifest(path: string): Promise<BuiltTemplate> {
  const text = await readFile(path, 'utf8').catch(cause => {
    throw new ProxmintError(`Packer succeeded but wrote no manifest ${path}`, {
      hint: 'the template needs a `manifest` post-processor with `output = var.manifest`',
      cause,
    })
  })
  const manifest = parse(text)
  const build = manifest?.builds?.find(candidate => candidate.packer_run_uuid === manifest.last_run_uuid)
  const vmid = Number(build?.artifact_id)
  if (build === undefined || !Number.isInteger(vmid) || vmid <= 0) {
    throw new ProxmintError(`the manifest ${path} names no VM template`, {
      facts: { artifact: build?.artifact_id },
      hint: 'the template needs the post-processor `manifest` of packer/debian, with `output = var.manifest`',
    })
  }
  return { vmid, builder: build.builder_type, builtAt: build.build_time, customData: build.custom_data ?? {} }
}

function parse(text: string): Partial<ManifestFile> | undefined {
  try {
    return JSON.parse(text) as Partial<ManifestFile>
  } catch {
    return undefined
  }
}
