/** How two lists of packages differ; a package is `NAME VERSION`. */
export interface PackageChanges {
  added: string[]
  removed: string[]
  /** `openssl 3.0.1 -> 3.0.2`. */
  changed: string[]
}

export function packageChanges(before: string[], after: string[]): PackageChanges {
  const [old, now] = [versionsByName(before), versionsByName(after)]
  const names = [...new Set([...old.keys(), ...now.keys()])].sort()
  return {
    added: names.filter(name => !old.has(name)).map(name => `${name} ${now.get(name)}`.trim()),
    removed: names.filter(name => !now.has(name)).map(name => `${name} ${old.get(name)}`.trim()),
    changed: names
      .filter(name => old.has(name) && now.has(name) && old.get(name) !== now.get(name))
      .map(name => `${name} ${old.get(name)} -> ${now.get(name)}`),
  }
}

function versionsByName(packages: string[]): Map<string, string> {
  return new Map(
    packages.map(line => {
      const [name = '', ...version] = line.split(/\s+/)
      return [name, version.join(' ')]
    }),
  )
}
