#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# regress - the comparison sees every difference, and takes none for flaky that came back
#
# TAP on standard output. Every case is four good logs, from two runs of each kernel, with something changed in some of them.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sides=(base patched base.2 patched.2)

# good: what boot leaves behind after two programs, one with four test cases and one without any structure
good() {
	local side
	rm -rf "${work:?}"/*
	echo mount/a >"$work/collections"
	printf '%s\n' mount/a:one_test mount/a:two.sh elsewhere:three_test >"$work/programs"
	for side in "${sides[@]}"; do
		mkdir -p "$work/$side/mount/a"
		cat >"$work/$side/mount/a/result.log" <<-'END'
			TAP version 13
			1..2
			# timeout set to 45
			# selftests: mount/a: one_test
			# TAP version 13
			# 1..4
			# #  RUN           global.one ...
			# #            OK  global.one
			# ok 1 global.one
			# ok 2 - global.two
			# ok 3 global.two
			# ok 4 # SKIP the fourth has no name of its own
			ok 1 selftests: mount/a: one_test
			# selftests: mount/a: two.sh
			# some words
			ok 2 selftests: mount/a: two.sh
			guest-exit: 0
		END
		cat >"$work/$side/mount/a/console.log" <<-'END'
			[    0.000000] Linux version 7.3.4 (credfd@credfd) #1 SMP
			[    9.876543] reboot: Power down
		END
	done
}

# log SIDE,... EXPRESSION: change a side's results; console SIDE,... LINE: let its kernel say something
log() { local s; for s in ${1//,/ }; do sed -i "$2" "$work/$s/mount/a/result.log"; done; }
console() { local s; for s in ${1//,/ }; do sed -i "\$i [    5.0$RANDOM] $2" "$work/$s/mount/a/console.log"; done; }

# judged NAME TOTALS [PATTERN...]: the last line must be TOTALS, the exit status fit, and each PATTERN be a line's
judged() {
	local name=$1 totals=$2 out rc=0 want=1 pattern missing=''
	out=$("$TOP/scripts/regress-diff" "$work" 2>&1) || rc=$?
	[[ $totals != [1-9]*' 0 failed' ]] || want=0
	for pattern in "${@:3}"; do
		grep -qE "^($pattern)$" <<<"$out" || missing=$pattern
	done
	if [[ ${out##*$'\n'} != "$totals" ]]; then
		not_ok "$name" "the last line is not '$totals': $out"
	elif [[ $rc -ne $want ]]; then
		not_ok "$name" "exit $rc: $out"
	elif [[ -n $missing ]]; then
		not_ok "$name" "no line is '$missing': $out"
	elif [[ $# -lt 3 ]] && grep -qE '^(DIFFERENT|flaky|NOT RUN)' <<<"$out"; then
		not_ok "$name" "it named something: $out"
	else
		ok "$name" true
	fi
}
once=patched,base.2,patched.2

good
judged "no difference" "5 passed, 0 failed"
good; log patched,patched.2 's/^# ok 1/# not ok 1/; s/^ok 1 .*/not &/; s/^not ok 1 .*/& # exit=1/'
judged "a test that fails on the patched kernel" "3 passed, 2 failed" \
	"DIFFERENT mount/a: one_test: global.one: base ok, patched not ok; base ok, patched not ok" \
	"DIFFERENT mount/a: one_test: base ok, patched not ok exit=1; .*"
good; log base,base.2 's/^# ok 1/# not ok 1/'
judged "a test that fails on the base" "4 passed, 1 failed" "DIFFERENT .*global.one: base not ok, patched ok; .*"
good; log patched 's/^# ok 1/# not ok 1/'
judged "a difference that does not come back" "4 passed, 0 failed" "flaky .*global.one: base ok, patched not ok; base ok, patched ok"
good; log patched.2 's/^# ok 1/# not ok 1/'
judged "a difference in the second run only" "4 passed, 0 failed" "flaky .*global.one: base ok, patched ok; base ok, patched not ok"
good; log patched 's/^# ok 1/# not ok 1/'; log base.2,patched.2 '/^# ok 1/d'
judged "a difference that the second run did not get to" "4 passed, 1 failed" "DIFFERENT .*; base absent, patched absent"
good; log patched 's/^# ok 1/# not ok 1/'; rm -r "$work"/*.2
judged "no second run" "4 passed, 1 failed" "DIFFERENT .*global.one: .*"
good; log patched,patched.2 's/^# ok 1/# not ok 1/'; cp -r "$work/base" "$work/base.3"; cp -r "$work/base" "$work/patched.3"
judged "a difference that the third run does not have" "4 passed, 0 failed" "flaky .*global.one: .*; base ok, patched not ok; base ok, patched ok"
good; log "base,$once" 's/^# ok 1/# not ok 1/'
judged "a test that fails on both proves nothing" "4 passed, 0 failed" "both +mount/a: one_test: global.one: not ok"
good; log patched,patched.2 's/^# ok 1.*/& # SKIP not here/'
judged "a test that is skipped on the patched kernel" "4 passed, 1 failed" "DIFFERENT .*global.one: base ok, patched SKIP; .*"
good; log patched,patched.2 's/^# ok 4.*/# ok 4 the fourth has no name of its own/'
judged "a test without a name when skipped" "5 passed, 1 failed" "DIFFERENT .*: the fourth has no name of its own: base SKIP, patched ok; .*"
good; log patched,patched.2 's/^# ok 3/# not ok 3/'
judged "the second test of one name" "4 passed, 1 failed" "DIFFERENT .*global.two \[2\]: base ok, patched not ok; .*"
good; log patched,patched.2 '/^# ok 3/d'
judged "a test that is not there on the patched kernel" "4 passed, 1 failed" "DIFFERENT .*global.two \[2\]: base ok, patched absent; .*"
good; log patched,patched.2 '/^# ok 3/i # ok 3 new'
judged "a test that is not there on the base" "5 passed, 1 failed" "DIFFERENT .*: new: base absent, patched ok; .*"
good; log patched,patched.2 's/^ok 2 .*/not & # exit=139/'
judged "a program that crashes on the patched kernel" "4 passed, 1 failed" "DIFFERENT mount/a: two.sh: base ok, patched not ok exit=139; .*"
good; log base,base.2 's/^ok 2 .*/not & # exit=1/'; log patched,patched.2 's/^ok 2 .*/not & # exit=2/'
judged "a program that fails otherwise" "4 passed, 1 failed" "DIFFERENT mount/a: two.sh: base not ok exit=1, patched not ok exit=2; .*"
good; log patched,patched.2 '/^# ok 2/,$d'
judged "a patched kernel that does not get far" "1 passed, 5 failed" "DIFFERENT mount/a: two.sh: base ok, patched absent; .*"
good; log "base,$once" '/two.sh/d'
judged "a program that does not run at all" "4 passed, 1 failed" "NOT RUN +mount/a: two.sh: on neither kernel"
good; log "base,$once" '/^# selftests: .*two.sh/,$d'
judged "guests that end too early" "4 passed, 1 failed" "NOT RUN +mount/a: two.sh: .*"
good; : >"$work/patched/mount/a/result.log"; : >"$work/patched/mount/a/console.log"
judged "a guest that did not start" "0 passed, 0 failed" "flaky .*console: the kernel did not start: .*"
good; for s in "${sides[@]}"; do : >"$work/$s/mount/a/result.log"; done
judged "guests that print nothing" "0 passed, 2 failed" "NOT RUN .*"
good; console patched,patched.2 "WARNING: fs/namespace.c:17 at do_mount+0x$RANDOM, CPU#1: mount/$RANDOM"
judged "a warning of the patched kernel" "5 passed, 1 failed" "DIFFERENT mount/a: console: WARNING: .*: base absent, patched seen; .*"
good; console base,patched 'BUG: something'
judged "a warning of both" "5 passed, 0 failed" "both +mount/a: console: BUG: something: seen"

good
ok "nothing is to be run again" test -z "$("$TOP/scripts/regress-diff" --again "$work")"
good; log patched 's/^# ok 1/# not ok 1/; s/^ok 2/not ok 2/'; rm -r "$work"/*.2
ok "the programs that differ are run again" test "$("$TOP/scripts/regress-diff" --again "$work")" = "mount/a -t mount/a:one_test -t mount/a:two.sh"
console patched 'BUG: something'
ok "all are, for what the console says" test "$("$TOP/scripts/regress-diff" --again "$work")" = "mount/a -c mount/a"
refused "no list of collections" "run scripts/regress" "$TOP/scripts/regress-diff" "$work/base"
refused "regress refuses an unknown option" "unknown option '--nonsense'.*--help" "$TOP/scripts/regress" --nonsense
refused "regress refuses an unknown collection" "'nonsense' is not in scripts/regress.list" "$TOP/scripts/regress" nonsense
ok "regress --help" "$TOP/scripts/regress" --help
done_testing
