/** Preloaded by `node --import`: moves the clock of a command ahead, by the `days` of the URL of this file. */
const aheadMs = Number(new URL(import.meta.url).searchParams.get('days')) * 24 * 60 * 60 * 1000

const RealDate = Date
const now = (): number => RealDate.now() + aheadMs

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
})
