import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { planUserData, type UserDataPlan } from '../../guests/sim/cloud-config.mts'
import { type Step, shellFunction, step, stepWithInput } from '../../guests/sim/shell.mts'

const plan = (yaml: string): UserDataPlan => planUserData(`#cloud-config\n${yaml}`, undefined)
const calls = (steps: Step[]) => steps.map(({ call }) => call.join(' '))

test('without `users` the default user of Debian is made, who may become root', () => {
  const init = calls(plan('hostname: web').init)
  expect(init).toContain('create_user debian Debian /bin/bash 0 0   ')
  expect(init).toContain('allow_sudo debian ALL=(ALL) NOPASSWD:ALL')
  expect(init).toContain('add_to_group debian sudo')
})

test('numbers are read by the rules of YAML 1.1, as cloud-init does', () => {
  const written = (permissions: string) =>
    calls(plan(`write_files:\n  - { path: /x, content: hi, permissions: ${permissions} }`).init).find(call =>
      call.startsWith('write_file'),
    )
  expect(written('0644')).toBe('write_file /x root:root 644 0')
  expect(written("'0600'")).toBe('write_file /x root:root 0600 0')
})

test('`users` without `default` leaves the default user out', () => {
  const init = calls(plan('users: [{ name: alice, sudo: false, ssh_authorized_keys: [KEY] }]').init)
  expect(init.join('\n')).not.toContain('debian')
  expect(init.join('\n')).not.toContain('allow_sudo')
  expect(init).toContain('authorize_key alice KEY')
})

test('`user` renames the default user and is a deprecation, as Proxmox writes it', () => {
  const { init, problems } = plan('user: admin\nusers: [default]\nssh_authorized_keys: [KEY]')
  expect(calls(init)).toContain('authorize_key admin KEY')
  expect(problems).toEqual([
    {
      level: 'DEPRECATED',
      message: "Deprecated cloud-config provided: user: Use of 'user' is deprecated. Use 'users' instead.",
    },
  ])
})

test('keys of the default user reach root only to be told who to log in as', () => {
  const root = plan('ssh_authorized_keys: [KEY]').init.find(({ call }) => call[1] === 'root')
  expect(root?.call[3]).toContain('command="echo \'Please login as the user \\"debian\\"')
  const open = plan('ssh_authorized_keys: [KEY]\ndisable_root: false').init.find(
    ({ call }) => call[1] === 'root',
  )
  expect(open?.call).toEqual(['authorize_key', 'root', 'KEY'])
})

test('passwords travel as input and expire unless told otherwise', () => {
  const expiring = plan('password: hunter2').init
  expect(calls(expiring)).toContain('expire_password debian')
  const set = expiring.find(({ call }) => call[0] === 'set_password')
  expect(set).toEqual({ call: ['set_password', 'debian'], input: 'hunter2\n' })
  expect(calls(plan('password: hunter2\nchpasswd: { expire: false }').init)).not.toContain(
    'expire_password debian',
  )
})

test('an unknown key is a warning that names it', () => {
  expect(plan('packagse: [nginx]').problems).toEqual([
    {
      level: 'WARNING',
      message:
        "Invalid cloud-config provided: Additional properties are not allowed ('packagse' was unexpected)",
    },
  ])
})

test('broken YAML and unknown kinds of user-data are warnings', () => {
  expect(plan('a: [').problems[0]?.message).toMatch(/^Failed loading yaml blob/)
  expect(planUserData('hello', undefined).problems[0]?.message).toMatch(/^Unhandled non-multipart/)
  expect(planUserData('', undefined).problems).toEqual([])
})

test('a script as user-data runs at the end', () => {
  const { final } = planUserData('#!/bin/sh\ntouch /x\n', undefined)
  expect(final).toEqual([stepWithInput('#!/bin/sh\ntouch /x\n', 'run_script', 'part-001')])
})

test('commands, packages and files are put in cloud-init’s order', () => {
  const { init, final, power } = plan(`
packages: [nginx, [curl, 7.88]]
package_upgrade: true
runcmd: [echo a, [printf, '%s', "it's"]]
write_files:
  - { path: /early, content: aGk=, encoding: b64 }
  - { path: /late, content: hi, defer: true, permissions: '0600', owner: 'debian:debian', append: true }
power_state: { mode: poweroff, delay: 1 }
`)
  expect(init[0]).toEqual(stepWithInput(Buffer.from('hi'), 'write_file', '/early', 'root:root', '0644', '0'))
  expect(calls(final)).toEqual([
    'package_index',
    'package_upgrade',
    'package_install nginx curl=7.88',
    'write_file /late debian:debian 0600 1',
    'run_script runcmd',
  ])
  expect(final.at(-1)?.input).toBe("#!/bin/sh\necho a\n'printf' '%s' 'it'\\''s'\n")
  expect(power).toEqual([stepWithInput('#!/bin/sh\ntrue\n', 'power_state', 'poweroff', '+1')])
})

test('the condition of a power state is left to the guest', () => {
  const power = (condition: string) => plan(`power_state: { mode: poweroff, condition: ${condition} }`).power
  expect(power('test -x /usr/sbin/qemu-ga')[0]?.input).toBe('#!/bin/sh\ntest -x /usr/sbin/qemu-ga\n')
  expect(power('[test, -e, /x y]')[0]?.input).toBe("#!/bin/sh\n'test' '-e' '/x y'\n")
  expect(power('false')).toEqual([])
})

test('a plan survives the shell, whatever is in its words', () => {
  const nasty = `it's $(touch /tmp/never) "x" \\ \n€`
  const script = `show() { printf '%s|' "$@"; cat; }\n${shellFunction('go', [stepWithInput('in€\n', 'show', nasty, '')])}go`
  expect(execFileSync('bash', ['-c', script]).toString()).toBe(`${nasty}||in€\n`)
  expect(shellFunction('nothing', [])).toBe('nothing() {\n  :\n}\n')
  expect(shellFunction('one', [step('a', 'b')])).toBe('one() {\n  a b\n}\n')
})
