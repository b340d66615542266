import { tagsIn } from '../proxmox/tags.mts'
import type { Entry } from './entry.mts'

/** Part of an entry that its notes in Proxmox have. */
type Noted = Pick<Entry, 'id' | 'purpose' | 'ownerName' | 'design'>

/** Description (notes) of the VM in Proxmox. The line with the mark is the last one. */
export function descriptionOf({ id, purpose, ownerName, design }: Noted): string {
  const owner = ownerName && `Owner: ${ownerName}`
  return [purpose, owner, design?.notes?.trim(), `Made by proxmint. ${entryMark(id)}`]
    .filter(Boolean)
    .join('\n')
}

/**
 * Returns the notes of a VM as they are to be: our lines, with what a person wrote around them.
 * @param present notes of the VM in Proxmox.
 */
export function notesWith(entry: Noted & Pick<Entry, 'retired'>, present: string): string {
  const [ours, before] = [descriptionOf(entry), entry.retired?.notes]
  if (before === undefined || !present.includes(before)) return withNotesOfOthers(ours, present)
  // Not by a pattern: a text with `$&` would be read as one.
  return present.split(before).join(ours)
}

/**
 * Returns the notes of a VM with what a person wrote around ours.
 * @param ours `descriptionOf` the entry.
 */
function withNotesOfOthers(ours: string, present: string): string {
  const notes = present.replaceAll('\r\n', '\n').trim()
  if (notes.includes(ours)) return notes
  const mark = ours.split('\n').at(-1)!
  const lines = notes.split('\n')
  const at = lines.indexOf(mark)
  const id = mark.slice(mark.lastIndexOf('Entry '))
  if (at < 0) return notes.includes(id) ? notes : [ours, notes].filter(Boolean).join('\n')
  // The first line above the mark is the purpose of before; further text above it is a person's.
  return lines.toSpliced(at === 1 ? 0 : at, at === 1 ? 2 : 1, ours).join('\n')
}

/** Mark in the description of an entry's VM. No other VM has it. */
export function entryMark(id: string): string {
  return `Entry ${id}.`
}

/** Notes of an adopted VM: its own, and the mark of its entry at the end. */
export function withForeignMark({ id }: Pick<Entry, 'id'>, present: string): string {
  return [present.trim(), `In the registry of proxmint. ${entryMark(id)}`].filter(Boolean).join('\n\n')
}

/** Id in the last mark of a text, which no purpose of a VM can imitate; undefined if it has none. */
export function idInMark(text: string): string | undefined {
  return [...text.matchAll(/Entry ([0-9a-f-]{36})\./g)].at(-1)?.[1]
}

/** Checks whether a VM has the mark of the entry in its description. @param config of the VM. */
export function isMarked({ id }: Entry, config: Record<string, string | number>): boolean {
  return String(config['description'] ?? '').includes(entryMark(id))
}

/** Purpose in the notes of a VM: the text before the sentence with the id. */
export function purposeIn(notes: string): string {
  const lines = notes.split('\n')
  const at = lines.findLastIndex(line => line.startsWith('Made by proxmint. '))
  return at < 0 ? '' : lines.slice(0, at).join('\n').trim()
}

/** Checks by name and description whether a VM in Proxmox belongs to the entry. @param config of the VM. */
export function isVmOf(entry: Entry, config: Record<string, string | number>): boolean {
  return differencesFrom(entry, config, undefined).length === 0
}

/**
 * Lists why a VM in Proxmox does not belong to the entry; empty if it does.
 * @param config of the VM.
 * @param siteTag a tag that the VM must have too, if proxmint made it; undefined: tags are not checked.
 */
export function differencesFrom(
  entry: Entry,
  config: Record<string, string | number>,
  siteTag: string | undefined,
): string[] {
  const { name, id, foreign = false } = entry
  const tags = tagsIn(String(config['tags'] ?? ''))
  return [
    config['name'] === name ? '' : `its name is ${config['name'] ?? 'not set'}`,
    isMarked(entry, config) ? '' : `its notes lack "${entryMark(id)}"`,
    siteTag === undefined || foreign || tags.includes(siteTag) ? '' : `it lacks the tag ${siteTag}`,
  ].filter(difference => difference !== '')
}
