/**
 * The name of a new version: family, day (UTC) and eight digits of the input digest; with a number behind where
 * that is taken already, since the same inputs may be built twice a day.
 */
export function versionName(os: string, now: Date, digest: string, taken: ReadonlySet<string>): string {
  const day = now.toISOString().slice(0, 10).replaceAll('-', '')
  const plain = `${os}-${day}-${digest.slice(0, 8)}`
  let name = plain
  for (let count = 2; taken.has(name); count++) name = `${plain}-${count}`
  return name
}
