/** Names of the keys that a guest's keyboard has, as QEMU's monitor takes them. */

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789']
const FUNCTIONS = Array.from({ length: 24 }, (_, index) => `f${index + 1}`)

const KEYS = new Set([
  ...LETTERS,
  ...FUNCTIONS,
  ...[
    'shift',
    'shift_r',
    'alt',
    'alt_r',
    'ctrl',
    'ctrl_r',
    'menu',
    'esc',
    'minus',
    'equal',
    'backspace',
    'tab',
  ],
  ...[
    'bracket_left',
    'bracket_right',
    'ret',
    'semicolon',
    'apostrophe',
    'grave_accent',
    'backslash',
    'comma',
  ],
  ...[
    'dot',
    'slash',
    'asterisk',
    'spc',
    'caps_lock',
    'num_lock',
    'scroll_lock',
    'sysrq',
    'less',
    'home',
    'end',
  ],
  ...['pgup', 'pgdn', 'left', 'right', 'up', 'down', 'insert', 'delete', 'stop', 'again', 'props', 'undo'],
  ...['front', 'copy', 'open', 'paste', 'find', 'cut', 'lf', 'help', 'meta_l', 'meta_r', 'compose', 'pause'],
  ...['print', 'ro', 'hiragana', 'henkan', 'yen', 'muhenkan', 'katakanahiragana', 'power', 'sleep', 'wake'],
  ...[
    'audionext',
    'audioprev',
    'audiostop',
    'audioplay',
    'audiomute',
    'volumeup',
    'volumedown',
    'mediaselect',
  ],
  ...['mail', 'calculator', 'computer', 'ac_home', 'ac_back', 'ac_forward', 'ac_refresh', 'ac_bookmarks'],
  ...['kp_divide', 'kp_multiply', 'kp_subtract', 'kp_add', 'kp_enter', 'kp_decimal', 'kp_comma', 'kp_equals'],
  ...Array.from({ length: 10 }, (_, index) => `kp_${index}`),
])

/** Finds the first name that is no key. @param keys names joined by `-`; `<` is the key `less`. */
export function unknownKey(keys: string): string | undefined {
  return keys.split('-').find(key => !(KEYS.has(key) || key === '<' || /^0x[0-9a-f]+$/i.test(key)))
}
