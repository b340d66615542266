// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { describe, expect, test } from 'vitest'
import { type HclNode, locateNodes } from '../../../scripts/lib/packer/hcl-source.mts'
import { failureOf } from '../failure.mts'

/** `name=value@line` for attributes, `type label@line[...]` for blocks. */
function outline(nodes: HclNode[]): string[] {
  return nodes.map(node =>
    node.kind === 'attribute'
      ? `${node.name}=${node.value}@${node.line}`
      : `${[node.type, ...node.labels].join(' ')}@${node.line}[${outline(node.body).join(' ')}]`,
  )
}

describe('where things stand', () => {
  test.each<[string, string, string[]]>([
    ['nothing', '', []],
    ['blank lines', '\n \t\n', []],
    ['an attribute', 'a = 1\n', ['a=1@1']],
    ['without a newline at the end', 'a = 1', ['a=1@1']],
    ['without spaces', 'a=1', ['a=1@1']],
    ['several, with blank lines between', '\na = 1\n\n\nb = 2\n', ['a=1@2', 'b=2@5']],
    ['carriage returns', 'a = 1\r\nb = 2\r\n', ['a=1@1', 'b=2@2']],
    ['a name with a hyphen', 'boot-wait = "5s"', ['boot-wait="5s"@1']],
    ['an operator', 'a = b == 1 ? 2 / 3 : -4', ['a=b == 1 ? 2 / 3 : -4@1']],
    ['an empty block', 'build {}', ['build@1[]']],
    ['a block on one line', 'vga { type = "std" }', ['vga@1[type="std"@1]']],
    ['labels, quoted and bare', 'source "proxmox-clone" debian {\n}', ['source proxmox-clone debian@1[]']],
    [
      'blocks within blocks',
      'build {\n  a = 1\n  provisioner "shell" {\n    b = 2\n  }\n}\nc = 3',
      ['build@1[a=1@2 provisioner shell@3[b=2@4]]', 'c=3@7'],
    ],
  ])('%s', (_, text, expected) => {
    expect(outline(locateNodes(text, 'x.pkr.hcl'))).toEqual(expected)
  })
})

describe('comments', () => {
  test.each<[string, string, string[]]>([
    ['of three kinds', '# a = 1\n// b = 2\n/* c = 3\nd = 4 */\ne = 5', ['e=5@5']],
    ['behind a value', 'a = 1 # one\nb = 2 // two\nc = 3 /* three */\n', ['a=1@1', 'b=2@2', 'c=3@3']],
    ['before a value', 'a = /* one */ 1', ['a=1@1']],
    ['within a value', 'a = 1 /* plus */ + 2', ['a=1 /* plus */ + 2@1']],
    ['before the equals sign', 'a /* one */ = 1', ['a=1@1']],
    ['without space around it', 'a = [/* o */"]"/* p */]\nb = 1', ['a=[/* o */"]"/* p */]@1', 'b=1@2']],
    [
      'with brackets and quotes in it',
      'a = [\n1, # ] "\n2, // } "\n]\nb = 1',
      ['a=[\n1, # ] "\n2, // } "\n]@1', 'b=1@5'],
    ],
    ['before a block and its brace', '# x\nbuild /* y */ { # z {\n}', ['build@2[]']],
    ['no comment in a string', 'a = "https://x/#1 /* 2"\nb = 1', ['a="https://x/#1 /* 2"@1', 'b=1@2']],
  ])('%s', (_, text, expected) => {
    expect(outline(locateNodes(text, 'x.pkr.hcl'))).toEqual(expected)
  })
})

describe('strings hide what is in them', () => {
  test.each([
    ['braces', '"} {"'],
    ['escaped quotes', '"say \\"}\\""'],
    ['a backslash at the end', '"C:\\\\"'],
    ['an interpolation', '"base-${var.release}"'],
    ['an interpolation with a string', '"${lookup(var.map, "}")}"'],
    ['interpolations within interpolations', '"${join("-", ["${var.a}}", "b"])}"'],
    ['an interpolation with an object', '"${jsonencode({a = {}})}"'],
    ['an interpolation over lines', '"${\n  var.a\n}"'],
    ['a directive', '"%{ if var.a == "}" }yes%{ endif }"'],
    ['an escaped interpolation', '"$${not.one"'],
    ['an escaped directive', '"%%{not one"'],
    ['dollars and per cent signs', '"$5 100% $"'],
  ])('%s', (_, value) => {
    const [build, last] = locateNodes(`build {\n  a = ${value}\n}\nb = 1`, 'x.pkr.hcl')
    expect(build).toMatchObject({ kind: 'block', body: [{ name: 'a', value }] })
    expect(last).toMatchObject({ name: 'b', value: '1' })
  })
})

describe('heredocs hide what is in them', () => {
  test.each([
    ['alone', '<<EOT\n} " # /*\nEOT'],
    ['indented', '<<-END\n    } "\n    END'],
    ['with a word of its marker inside', '<<EOT\nEOT is not alone here\nEOT'],
    ['empty', '<<EOT\nEOT'],
    ['in a list', '[\n  <<EOT\n]\nEOT\n  , "x",\n]'],
    ['in a call', 'trimspace(<<EOT\n)\nEOT\n)'],
    ['with carriage returns', '<<EOT\r\n}\r\nEOT'],
  ])('%s', (_, value) => {
    const [build, last] = locateNodes(`build {\n  a = ${value}\n}\nb = 1`, 'x.pkr.hcl')
    expect(build).toMatchObject({ kind: 'block', body: [{ name: 'a', value }] })
    expect(last).toMatchObject({ name: 'b', value: '1' })
  })
})

test('offsets cut out exactly the node and the value', () => {
  const text = '# first\nsource "a" "b" {\n  token = var.t   # why\n}\n'
  const [source] = locateNodes(text, 'x.pkr.hcl')
  const token = source?.kind === 'block' ? source.body[0] : undefined
  expect(text.slice(source?.start, source?.end)).toBe('source "a" "b" {\n  token = var.t   # why\n}')
  expect(text.slice(token?.start, token?.end)).toBe('token = var.t')
  expect(token?.kind === 'attribute' && text.slice(token.valueStart, token.end)).toBe('var.t')
})

describe('a structure that breaks, with its line', () => {
  test.each([
    ['an unclosed string', 'a = 1\nb = "x\nc = 2\n', '2: the string of line 2 is not closed'],
    ['a string without an end', 'a = "x', '1: the string of line 1 is not closed'],
    ['an unclosed interpolation', 'a = "${b"\n', '1: the string of line 1 is not closed'],
    ['an unclosed block', 'a = 1\nbuild {\n  b = 2\n', '4: block `build` of line 2 is not closed'],
    ['an unclosed inner block', 'build {\n  x {\n}\n', '4: block `build` of line 1 is not closed'],
    ['an unclosed heredoc', 'a = 1\nb = <<EOT\ntext\n', '2: the heredoc EOT is not closed'],
    ['an unclosed comment', 'a = 1\n/* b = 2\n', '2: the comment is not closed'],
    ['a brace too many', 'build {\n}\n}\n', '3: a closing brace without its block'],
    ['a value without a name', 'a = 1\n= 2\n', '2: expected the name of a block or attribute, found `=`'],
    ['a name alone', 'build {\n  full_clone\n}\n', '2: expected `=` or `{` after `full_clone`'],
    ['a colon', 'full_clone: true\n', '1: expected `=` or `{` after `full_clone`'],
  ])('%s', async (_, text, fault) => {
    expect(await failureOf(() => locateNodes(text, 'packer/x/x.pkr.hcl'))).toEqual({
      message: `packer/x/x.pkr.hcl:${fault}`,
      hint: 'correct that line; `packer fmt` shows the structure',
      exitCode: 3,
      facts: {},
    })
  })
})
