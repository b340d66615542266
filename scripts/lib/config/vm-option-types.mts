/** Types that follow from the table of VM options. */
import type { RecordField, VmOption } from './vm-option.mts'
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

/** The same where each of them may be left out. */
export type OptionalAttributesOf<Names extends OptionsWith<{ names: { attribute: string } }>> = Intersection<
  { [N in Names]: AtOptionalPath<VmOptions[N]['names']['attribute'], OptionValue<N>> }[Names]
>

type ValueOf<Row extends VmOption> = Row extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Row extends { fields: infer Fields extends Readonly<Record<string, RecordField>> }
    ? RecordOf<Fields>[]
    : {
        text: string
        integer: number
        number: number
        list: string[]
        map: Record<string, string>
        switch: boolean
        toggle: boolean
        records: object[]
        address: string
        wallet: string
      }[Row['kind']]

/** One record. A field that is not required may be left out. */
type RecordOf<Fields extends Readonly<Record<string, RecordField>>> = {
  -readonly [K in keyof Fields as Fields[K] extends { required: true } ? K : never]: FieldValue<Fields[K]>
} & {
  -readonly [K in keyof Fields as Fields[K] extends { required: true } ? never : K]?: FieldValue<Fields[K]>
}

type FieldValue<Field extends RecordField> = Field extends { choices: readonly (infer Choice)[] }
  ? Choice
  : { text: string; integer: number; number: number; toggle: boolean }[Field['kind']]

/** `{ cloudInit: { username: string } }` for the path `cloudInit.username`. */
type AtPath<Path extends string, V> = Path extends `${infer Head}.${infer Rest}`
  ? { [K in Head]: AtPath<Rest, V> }
  : { [K in Path]: V }

type AtOptionalPath<Path extends string, V> = Path extends `${infer Head}.${infer Rest}`
  ? { [K in Head]?: AtOptionalPath<Rest, V> }
  : { [K in Path]?: V }

/** `A & B` for the union `A | B`. */
type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never
