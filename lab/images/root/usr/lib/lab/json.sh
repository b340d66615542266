# JSON of cloud-init's reports. Sourced.

json_string() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\t'/\\t}
  printf '"%s"' "$text"
}

# Lines on standard input as a JSON array of strings.
json_array() {
  local line separator=
  printf '['
  while IFS= read -r line; do
    printf '%s' "$separator"
    json_string "$line"
    separator=', '
  done
  printf ']'
}

# recoverable_json FILE: lines `LEVEL<tab>MESSAGE` as a table of lists. The file may be a pipe.
recoverable_json() {
  local lines level separator=
  lines=$(cat "$1" 2> /dev/null)
  printf '{'
  for level in $(cut -f 1 <<< "$lines" | sort -u); do
    printf '%s"%s": %s' "$separator" "$level" \
      "$(awk -F '\t' -v level="$level" '$1 == level { print $2 }' <<< "$lines" | json_array)"
    separator=', '
  done
  printf '}'
}
