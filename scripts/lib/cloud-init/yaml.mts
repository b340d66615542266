import type { DocumentOptions, ParseOptions, SchemaOptions, ToStringOptions } from 'yaml'

/**
 * Options of the YAML library for cloud-init, which uses YAML 1.1: `0644` is octal and `on` is true. A document of
 * YAML 1.2 would mean something else there.
 */
export const cloudInitYaml: {
  read: ParseOptions & DocumentOptions & SchemaOptions
  write: ToStringOptions & DocumentOptions
} = {
  // A date stays text: otherwise the library would add a time of day.
  read: {
    version: '1.1',
    customTags: tags =>
      tags.filter(tag => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:timestamp'),
  },
  write: { version: '1.1', lineWidth: 0 },
}
