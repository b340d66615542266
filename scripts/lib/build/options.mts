/** What a person or a schedule asks of `build`. */
export interface BuildOptions {
  /** Names of template families; all there are where it is empty. */
  families: string[]
  /** Further Packer variables, from `--var`. */
  variables: Record<string, string>
  /** Stops after the rules, the permissions and `packer validate`. */
  validateOnly: boolean
  /** Stops after the rules and the permissions, and tells the commands. */
  dryRun: boolean
  /** Leaves a family alone whose inputs are those of its current version. */
  ifChanged: boolean
  /** With `ifChanged`: builds anyway where the current version is older. In milliseconds. */
  maxAgeMs: number | undefined
  /** Whether the new version is to become current at once. */
  promote: boolean
  /** Whether the acceptance test is run. A version that was not tested stays a candidate. */
  test: boolean
  /** Versions of each family to keep when all is built; undefined: nothing is pruned. */
  keep: number | undefined
  /** How many families are built at the same time. */
  parallel: number
}
