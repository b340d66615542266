import type { BuildResult } from './build.mts'

/** What a build did, for a person. */
export function formatBuild(result: BuildResult): string {
  const { packer, changes, commands, template } = result
  const login = packer.dialect === 'modern' ? 'with the API token' : 'packaged, with a password'
  const lines = [`Packer ${packer.version} (${login}): ${packer.file}`]
  if (changes.length > 0) lines.push(`in a copy of the template: ${changes.join('; ')}`)
  if (commands.length > 0)
    return [...lines, 'would run:', ...commands.map(command => `  ${command}`)].join('\n')
  if (template === undefined)
    return [...lines, `${result.os}: rules, permissions and packer validate passed`].join('\n')
  return [
    ...lines,
    `VM template ${template.vmid} (${result.name}) on ${result.node}, in ${result.seconds.toFixed(1)} s`,
    `log: ${template.log}`,
  ].join('\n')
}
