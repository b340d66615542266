/** Role that docs/proxmox-setup.md makes, too. */
export const OWN_ROLE = 'Proxmint'

interface GrantPlan {
  /** Users before their tokens: a token has nothing that its user lacks. */
  holders: string[]
  /** Missing privileges by path. */
  grants: Map<string, string[]>
}

/** Plans a line that makes the role, or adds the privileges to the role that is there. */
export function roleLine(privileges: string[]): string {
  const privs = `'${privileges.join(',')}'`
  return `pveum role add ${OWN_ROLE} -privs ${privs} 2>/dev/null || pveum role modify ${OWN_ROLE} -append 1 -privs ${privs}`
}

/** Quotes a word for a shell. A user's name in Proxmox may hold a quote itself. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** Quotes a path only if a shell would read more than a word in it. */
export function plain(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : quoted(path)
}

/**
 * Plans a script for root's shell on a node. An ACL entry on a path replaces what is inherited there, and an entry of a
 * user replaces those of its groups. Only root can always see the entries, so the script looks at them there. It gives
 * a holder the role on a path, together with the roles that this entry would replace. A holder who lacks nothing gets no
 * entry. The quotes around `!` keep an interactive shell from replacing it.
 */
export function grantScript({ holders, grants }: GrantPlan): string[] {
  const calls = holders.flatMap(holder =>
    [...grants].map(([path, privileges]) =>
      ['grant', quoted(holder), plain(path), quoted(privileges.join(' '))].join(' '),
    ),
  )
  // In a subshell, so that root's shell keeps no function of it.
  return ['(', ...FUNCTIONS, ...calls, ')']
}

const FUNCTIONS = String.raw`
lacks() { # HOLDER PATH PRIVILEGES: those that the holder does not have there
  has=$(pveum user permissions "$1" --path "$2" --output-format json | grep -oE '"[A-Z][A-Za-z.]+"' | tr -d '"')
  printf '%s\n' $3 | grep -vxF "$has" | paste -sd' '
}
roles() { # TYPE NAME PATH PROPAGATE: roles of these entries
  printf '%s\n' "$acl" | grep -F '"type":"'$1'"' | grep -F '"ugid":"'"$2"'"' | grep -F '"path":"'"$3"'"' |
    grep -E '"propagate":"?'"$4" | sed 's/.*"roleid":"\([^"]*\)".*/\1/'
}
own() { roles $type "$who" "$1" "$2"; }
of_groups() { for group in $groups; do roles group "$group" "$1" "$2"; done; }
unless_denied() { printf '%s\n' "$1" | grep -qx NoAccess || printf '%s\n' $1; }
inherited() { # PATH: roles that an entry of the holder's own would replace, there and below
  at=$1 hits=$(own "$1" 1)
  [ -z "$hits" ] || return 0
  hits=$(of_groups "$at" 1)
  while [ -z "$hits" ] && [ "$at" != / ]; do
    at=${'$'}{at%/*} at=${'$'}{at:-/} hits=$(own "$at" 1)
    [ -n "$hits" ] || hits=$(of_groups "$at" 1)
  done
  unless_denied "$hits"
}
entry() { # PATH NAMES PROPAGATE
  [ -z "$2" ] || pveum acl modify "$1" -$type "$who" -role "$(echo $2 | tr ' ' ,)" -propagate $3
}
open_pools() { # VM-OR-STORAGE: NoAccess on a pool counts more than an entry of a member
  for pool in $(pveum pool list --output-format json | grep -o '"poolid":"[^"]*"' | cut -d'"' -f4); do
    pveum pool list --poolid "$pool" --output-format json | grep -qE '"(vmid|storage)":"?'"$1"'"?[,}]' || continue
    pveum acl delete "/pool/$pool" -$type "$who" -role NoAccess
    entry "/pool/$pool" OWN_ROLE 0
  done
}
grant() { # HOLDER PATH PRIVILEGES: gives the role there to a holder who lacks one of them
  [ -n "$(lacks "$1" "$2" "$3")" ] || return 0
  who=$1 type=user groups= acl=$(pveum acl list --output-format json | tr '}' '\n')
  case $1 in
    *'!'*) type=token ;;
    *) groups=$(pveum group list --output-format json | tr '}' '\n' | sed 's/"users":"\([^"]*\)"/,\1,/' |
      grep -F ",$1," | sed 's/.*"groupid":"\([^"]*\)".*/\1/') ;;
  esac
  here= below=$(inherited "$2")
  [ -n "$(own "$2" .)" ] || here=$(unless_denied "$(of_groups "$2" .)")
  pveum acl delete "$2" -$type "$1" -role NoAccess
  entry "$2" "$here" 0
  entry "$2" "OWN_ROLE $below" 1
  [ -z "$(lacks "$1" "$2" "$3")" ] || open_pools "${'$'}{2##*/}"
}`
  .trim()
  .replaceAll('OWN_ROLE', OWN_ROLE)
  .split('\n')
