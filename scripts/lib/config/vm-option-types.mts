/** Types that follow from the table of VM options. */
import type { VmOption } from './vm-option.mts'
import type { VM_OPTIONS } from './vm-options.mts'

export type VmOptions = typeof VM_OPTIONS

/** Names of the options whose rows extend `Row`. */
export type OptionsWith<Row> = {
  [N in keyof VmOptions]: VmOptions[N] extends Row ? N : never
}[keyof VmOptions]

/** Type of the value of an option. */
export type OptionValue<N extends keyof VmOptions> = ValueOf<VmOptions[N]>

/** One object with the values of the options at the paths of their attributes. */
export type AttributesOf<Names extends OptionsWith<{ names: { attribute: string } }>> = Intersection<
  { [N in Names]: AtPath<VmOptions[N]['names']['attribute'], OptionValue<N>> }[Names]
>

type ValueOf<Row extends VmOption> = Row extends { choices: readonly (infer Choice)[] }
  ? Choice
  : {
      text: string
      integer: number
      list: string[]
      switch: boolean
      address: string
      wallet: string
    }[Row['kind']]

/** `{ cloudInit: { username: string } }` for the path `cloudInit.username`. */
type AtPath<Path extends string, V> = Path extends `${infer Head}.${infer Rest}`
  ? { [K in Head]: AtPath<Rest, V> }
  : { [K in Path]: V }

/** `A & B` for the union `A | B`. */
type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never
