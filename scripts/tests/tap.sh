# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# TAP for the tests of the scripts: ok NAME COMMAND..., refused NAME PATTERN COMMAND..., done_testing
tap_n=0 tap_failed=0

not_ok() {
	printf 'not ok %d %s\n' $((++tap_n)) "$1"
	tap_failed=$((tap_failed + 1))
	[[ -z ${2-} ]] || printf '# %s\n' "${2//$'\n'/$'\n# '}"
}

# ok NAME COMMAND...: the command must succeed
ok() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1 </dev/null); then
		printf 'ok %d %s\n' $((++tap_n)) "$name"
	else
		not_ok "$name" "$(tail -15 <<<"$out")"
	fi
}

# refused NAME PATTERN COMMAND...: the command must fail, and say PATTERN in one line and nothing else
refused() {
	local name=$1 pattern=$2 out
	shift 2
	if out=$("$@" 2>&1 </dev/null); then
		not_ok "$name" "it succeeded: $out"
	elif ! grep -qE "$pattern" <<<"$out"; then
		not_ok "$name" "it did not say '$pattern': $out"
	elif [[ $(grep -vc '^==> ' <<<"$out") -ne 1 ]]; then
		not_ok "$name" "it said more than one line: $out"
	else
		printf 'ok %d %s\n' $((++tap_n)) "$name"
	fi
}

done_testing() {
	printf '1..%d\n' "$tap_n"
	[[ $tap_failed -eq 0 ]]
}
