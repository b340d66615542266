import { describe, expect, test } from 'vitest'
import { listeningPorts, parseInspection } from '../../../scripts/lib/acceptance/inspection.mts'

const output = [
  '@cloud-init',
  '{',
  '  "errors": [],',
  '  "extended_status": "degraded done",',
  '  "recoverable_errors": {"DEPRECATED": ["user"]},',
  '  "status": "done"',
  '}',
  '@cloud-init-exit',
  '2',
  '@machine-id',
  '8c5c3fb01a1da195542e9357fe7593ce',
  '@host-name',
  'web-1',
  '@host-keys',
  'ssh-ed25519 AAAA1',
  'ssh-rsa AAAA2',
  '@root-bytes',
  ' 4294967296',
  '@sockets',
  '   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1',
  '@package-faults',
  '@packages',
  'zlib1g 1:1.2.13 amd64',
  'adduser 3.134 all',
  '@first-boot',
  'journal /var/log/journal/two words',
  '@end',
  '',
].join('\n')

describe('what inspect.sh prints', () => {
  test('is taken apart', () => {
    expect(parseInspection(output)).toEqual({
      cloudInit: { exitCode: 2, status: 'degraded done', errors: [], recoverable: { DEPRECATED: ['user'] } },
      machineId: '8c5c3fb01a1da195542e9357fe7593ce',
      hostName: 'web-1',
      hostKeys: ['ssh-ed25519 AAAA1', 'ssh-rsa AAAA2'],
      rootBytes: 4294967296,
      ports: [22],
      packageFaults: [],
      packages: ['adduser 3.134 all', 'zlib1g 1:1.2.13 amd64'],
      leftovers: [{ kind: 'journal', path: '/var/log/journal/two words' }],
    })
  })

  test.each(
    output
      .split('\n')
      .slice(0, -2)
      .map((_, index) => index),
  )('tells nothing where it broke off after %i lines', lines => {
    expect(parseInspection(output.split('\n').slice(0, lines).join('\n'))).toBeUndefined()
  })

  test.each([
    ['a guest without cloud-init', '', 'no answer'],
    ['one that prints an error instead', 'usage: cloud-init status [-h]', 'no answer'],
    ['one that prints another shape', '{"errors":"none","recoverable_errors":[1],"status":"done"}', 'done'],
    ['one that prints no table', '[{}]', 'no answer'],
    ['one before 23.4', '{"status": "done", "errors": []}', 'done'],
    ['null', 'null', 'no answer'],
  ])('of %s', (_, status, told) => {
    const inspection = parseInspection(`@cloud-init\n${status}\n@cloud-init-exit\n127\n@end\n`)
    expect(inspection!.cloudInit).toEqual({ exitCode: 127, status: told, errors: [], recoverable: {} })
  })
})

describe('ports that listen', () => {
  const line = (local: string, state = '0A') =>
    `  1: ${local} 00000000:0000 ${state} 00000000:00000000 00:0 0 0`

  test.each([
    ['on every IPv4 address', '00000000:0016', [22]],
    ['on one IPv4 address', '0501A8C0:01BB', [443]],
    ['on 127.0.0.1', '0100007F:0019', []],
    ['on 127.0.0.53, as systemd-resolved does', '3500007F:0035', []],
    ['on every IPv6 address', '00000000000000000000000000000000:0016', [22]],
    ['on ::1', '00000000000000000000000001000000:0016', []],
    ['on 127.0.0.1 as an IPv6 address', '0000000000000000FFFF00000100007F:0016', []],
    ['on an IPv4 address as an IPv6 one', '0000000000000000FFFF00000501A8C0:0016', [22]],
    ['on a link-local address', '000080FE00000000FF005450B6AD1DFE:14EB', [5355]],
  ])('%s', (_, local, ports) => {
    expect(listeningPorts([line(local)])).toEqual(ports)
  })

  test('connections, headings and what is twice do not count', () => {
    const heading = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when'
    const lines = [
      heading,
      line('00000000:1F90'),
      line('00000000:0016'),
      line('0501A8C0:0016'),
      line('0501A8C0:D431', '01'),
    ]
    expect(listeningPorts(lines)).toEqual([22, 8080])
  })
})
