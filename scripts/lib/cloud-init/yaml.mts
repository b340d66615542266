import type { DocumentOptions, ParseOptions, SchemaOptions, ToStringOptions } from 'yaml'

/**
 * How cloud-init reads YAML: by the rules of version 1.1, where `0644` is octal and `on` is true. What is read or
 * written by those of 1.2 means something else there.
 */
export const cloudInitYaml: {
  read: ParseOptions & DocumentOptions & SchemaOptions
  write: ToStringOptions & DocumentOptions
} = {
  // A day stays the text that somebody wrote: a time of day would be added to it otherwise.
  read: {
    version: '1.1',
    customTags: tags =>
      tags.filter(tag => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:timestamp'),
  },
  write: { version: '1.1', lineWidth: 0 },
}
