# How .ci/run counts what `make` leaves in its reports. A program called make stands in for it.

bats_require_minimum_version 1.5.0
load project

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  mkdir .ci bin
  cp "$repository/.ci/run" .ci/
  export PATH="$BATS_TEST_TMPDIR/bin:$PATH" REPORTS="$BATS_TEST_TMPDIR/.proxmint/reports"
  unset NIGHTLY
}

# fake_make STATUS: reads from its standard input what make does besides writing down its arguments.
fake_make() {
  {
    printf '#!/usr/bin/env bash\necho "$@" > arguments\nmkdir -p "$REPORTS" && cd "$REPORTS" || exit\n'
    cat
    echo "exit $1"
  } > bin/make
  chmod +x bin/make
}

# vitest_report PASSED FAILED [FILE]...: each file as JSON.
vitest_report() {
  local files
  files=$(IFS=,; echo "${*:3}")
  echo "{\"numPassedTests\":$1,\"numFailedTests\":$2,\"testResults\":[$files]}"
}

without_test='{"status":"failed","assertionResults":[]}'
with_test='{"status":"failed","assertionResults":[{"status":"passed"},{"status":"failed"}]}'

@test "everything that passed is counted, skipped tests are not" {
  fake_make 0 << END
touch lint.passed typecheck.passed
echo '$(vitest_report 7 0)' > vitest.json
printf 'ok 1 a\nok 2 b # skip no sh\n' > bats.tap
END
  run -0 .ci/run
  [ "${lines[-1]}" = '10 passed, 0 failed' ]
  [ "$(cat arguments)" = '--keep-going test' ]
}

@test "a file that fails without a test counts once, one with failed tests by its tests" {
  fake_make 2 << END
touch lint.passed typecheck.passed
echo '$(vitest_report 7 1 "$without_test" "$with_test")' > vitest.json
printf 'ok 1 a\nnot ok 2 b\n' > bats.tap
END
  run -2 .ci/run
  [ "${lines[-1]}" = '10 passed, 3 failed' ]
}

@test "what failed without being counted is one failure" {
  fake_make 2 <<< 'touch lint.passed typecheck.passed'
  run -2 .ci/run
  [ "${lines[-1]}" = '2 passed, 1 failed' ]
}

@test "lint and typecheck that did not pass have failed" {
  fake_make 2 <<< ''
  run -2 .ci/run
  [ "${lines[-1]}" = '0 passed, 2 failed' ]
}

@test "NIGHTLY=1 runs and counts the nightly tests too" {
  fake_make 2 << END
touch lint.passed typecheck.passed
echo '$(vitest_report 7 0)' > vitest.json
echo '$(vitest_report 5 1 "$with_test")' > nightly.json
END
  NIGHTLY=1 run -2 .ci/run
  [ "${lines[-1]}" = '14 passed, 1 failed' ]
  [ "$(cat arguments)" = '--keep-going test test-nightly' ]
}
