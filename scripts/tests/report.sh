#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# report - the judge counts exactly, and goes red for every single reason that it knows
#
# TAP on standard output. Every case is a good log with one thing changed.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=$work/plain

# good: what boot leaves behind after two programs, one with three test cases and one without any structure
good() {
	rm -rf "$dir"
	mkdir "$dir"
	cat >"$dir/result.log" <<-'END'
		TAP version 13
		1..2
		# timeout set to 45
		# selftests: credfd: abi_test
		# TAP version 13
		# 1..3
		# # Starting 3 tests from 1 test cases.
		# #  RUN           global.one ...
		# #            OK  global.one
		# ok 1 global.one
		# ok 2 global.two
		# ok 3 abi.variant.three
		# # PASSED: 3 / 3 tests passed.
		# # Totals: pass:3 fail:0 xfail:0 xpass:0 skip:0 error:0
		ok 1 selftests: credfd: abi_test
		# timeout set to 45
		# selftests: credfd: script.sh
		# some words
		ok 2 selftests: credfd: script.sh
		# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0
		guest-exit: 0
	END
	cat >"$dir/console.log" <<-'END'
		[    0.000000] Linux version 7.3.4 (credfd@credfd) #1 SMP
		[    0.000000] Command line: console=ttyS0 oops=panic panic_on_warn=1 -- /kselftest/run_kselftest.sh
		[    0.512345] Run /init as init process
		[    9.876543] reboot: Power down
	END
}

log() { sed -i "$@" "$dir/result.log"; }
console() { sed -i "$@" "$dir/console.log"; }
printk() { sed -i "\$i [    5.000000] $1" "$dir/console.log"; }

# kunit: what a kernel with KUnit writes while it boots: two suites, one with a test that does not count its parameters
kunit() {
	cat >"$work/kunit" <<-'END'
		KTAP version 1
		1..2
		    KTAP version 1
		    # Subtest: commoncap
		    # module: commoncap
		    1..2
		random: crng init done
		    ok 1 test_root
		        KTAP version 1
		        # Subtest: test_activate
		        ok 1 subset
		        ok 2 bounding set grows
		    # test_activate: pass:2 fail:0 skip:0 total:2
		    ok 2 test_activate
		# commoncap: pass:2 fail:0 skip:0 total:2
		# Totals: pass:3 fail:0 skip:0 total:3
		ok 1 commoncap
		    KTAP version 1
		    # Subtest: example
		    1..2
		    ok 1 first
		    ok 2 second
		ok 2 example
	END
	sed -i 's/^/[    0.412345] /' "$work/kunit"
	sed -i "2r $work/kunit" "$dir/console.log"
}

# judged NAME TOTALS PATTERN: the last line must be TOTALS, the exit status must fit, a FAIL line must hold PATTERN
judged() {
	local name=$1 totals=$2 pattern=$3 out rc=0 want=1
	out=$("$TOP/scripts/report" "${inputs[@]}" 2>&1) || rc=$?
	[[ $totals != *' 0 failed' ]] || want=0
	if [[ ${out##*$'\n'} != "$totals" ]]; then
		not_ok "$name" "the last line is not '$totals': $out"
	elif [[ $rc -ne $want ]]; then
		not_ok "$name" "exit $rc: $out"
	elif [[ -n $pattern ]] && ! grep -qE "^FAIL .*($pattern)" <<<"$out"; then
		not_ok "$name" "nothing named '$pattern': $out"
	elif [[ -z $pattern ]] && grep -q '^FAIL' <<<"$out"; then
		not_ok "$name" "it named something: $out"
	else
		ok "$name" true
	fi
}
inputs=("$dir")

good
judged "a good log" "4 passed, 0 failed" ""
good; log 's/^# ok 2 /# not ok 2 /; s/^ok 1 /not ok 1 /; s/selftests: credfd: abi_test$/& # exit=1/; s/^guest-exit: 0/guest-exit: 1/'
judged "a failed test counts once, not again for its suite and the exit" "3 passed, 1 failed" "abi_test.*: global.two"
good; log 's/^# ok 2 /# not ok 2 /'
judged "a failed test in a suite that says ok" "3 passed, 1 failed" "global.two"
good; log 's/^ok 1 \(.*\)/not ok 1 \1 # exit=139/'
judged "a suite that failed after all its tests had passed" "4 passed, 1 failed" "abi_test # exit=139"
good; log 's/^ok 2 \(.*\)/not ok 2 \1 # TIMEOUT 45 seconds/'
judged "a suite that timed out" "3 passed, 1 failed" "script.sh # TIMEOUT"
good; log 's/^# TAP version 13/# TAP version 99/'
judged "a version that is not known" "4 passed, 1 failed" "abi_test: Ran 3 tests.*errors: 1"
good; log '/^# ok 3 /d'
judged "a short plan of a suite" "3 passed, 1 failed" "abi_test.*: 2 of 3 planned"
good; log '/^ok 2 /d'
judged "a short plan of the run" "3 passed, 1 failed" "1 of 2 planned"
good; log 's/^1\.\.2/1..1/'
judged "more tests than planned" "4 passed, 1 failed" "2 of 1 planned"
good; log '/^# ok 2 /d; s/^# 1\.\.3/# 1..2/'
judged "a gap in the numbers" "3 passed, 1 failed" "numbered 3, not 2"
good; log '/^# 1\.\.3/d'
judged "a suite without a plan" "4 passed, 1 failed" "without a plan"
good; log '/^1\.\.2/d'
judged "a run without a plan" "4 passed, 1 failed" "results without a plan"
good; log '/^# ok /d; s/^# 1\.\.3/# 1..0/'
judged "a suite without tests" "1 passed, 1 failed" "abi_test.*: no tests"
good; log '1,/^# Totals/{/guest-exit/!d}'
judged "no tests at all" "0 passed, 1 failed" "no tests"
good; log 's/^# ok 2 .*/& # SKIP not root/'
judged "a skip that is not listed" "3 passed, 1 failed" "global.two # SKIP not root"
good; log 's/^ok 2 .*/& # SKIP/'
judged "a suite that was skipped" "3 passed, 1 failed" "script.sh # SKIP"
good; log '/^# ok /d; s/^# 1\.\.3/# 1..0 # SKIP no reason/; s/^ok 1 .*/& # SKIP/'
judged "a suite that was skipped by an empty plan" "1 passed, 1 failed" "abi_test # SKIP"
good; log 's/^# ok 2 .*/& # XFAIL known/'
judged "an expected failure that is not listed" "3 passed, 1 failed" "XFAIL"
good; log 's/abi_test/smack_test/; s/^# ok 2 .*/& # SKIP Smack is not active/'
judged "a skip that is listed" "3 passed, 0 failed" ""
good; log 's/abi_test/smack_test/; s/^# ok 2 .*/& # SKIP Smack is not active/'; mv "$dir" "$work/smack"; inputs=("$work/smack")
judged "a skip that is listed for other boots" "3 passed, 1 failed" "global.two # SKIP Smack"
inputs=("$dir")
good; log 's/abi_test/smack_test/; s/^\(# ok .*\)/\1 # SKIP Smack is not active/; /script/d; s/^1\.\.2/1..1/'
judged "nothing but skips that are listed" "0 passed, 1 failed" "everything was skipped"
good; log '/^ok 1 /i # not ok 4 stray'
judged "a failure that nobody planned" "4 passed, 2 failed" "stray"
good; log 's/^# some words/# not ok 1 some words/'
judged "a failure in a program that planned nothing" "4 passed, 1 failed" "some words \(outside of any plan"
good; log 's/global.two/CPU#0/'
judged "a # in a test's name" "4 passed, 0 failed" ""
good; log 's/^# ok 2 .*/# not ok 2 CPU#0/'
judged "a failure with a # in its name" "3 passed, 1 failed" "abi_test: CPU#0"
good; log 's/^# ok 2 .*/& #SKIP no reason/'
judged "a skip that is badly set" "3 passed, 1 failed" "global.two #SKIP"
good; log 's/^# ok 3 .*/&\n# TAP version 13\n# 1..1\n# ok 1 again/'
judged "two logs in one" "5 passed, 1 failed" "abi_test: results without a plan of their own"
good; log 's/^# ok 3 .*/&\n# TAP version 13/'
judged "a second log that did not come to its plan" "4 passed, 1 failed" "abi_test: results without a plan of their own"
good; log '/^# ok 3 /,/^# Totals/d'
judged "a program that was cut off" "2 passed, 2 failed" "credfd: abi_test: 2 of 3 planned"
good; log 's/^# ok 2 .*/# not ok 2 global.two # SKIP no reason/'
judged "a skip that failed" "3 passed, 1 failed" "global.two # SKIP no reason"
good; log 's/^# ok 3 .*/Bail out! cannot go on/'
judged "a run that was given up" "3 passed, 2 failed" "Bail out"
good; log '/^guest-exit/d'
judged "no guest-exit line" "4 passed, 1 failed" "how it ended"
good; log 's/^guest-exit: 0/guest-exit: 3/'
judged "a guest-exit that no test explains" "4 passed, 1 failed" "guest-exit: 3"
good; log '$a more words'
judged "a guest-exit line that is not the last" "4 passed, 1 failed" "how it ended"
good; rm "$dir/result.log"
judged "a result log that is missing" "0 passed, 2 failed" "no tests"
good; rm "$dir/console.log"
judged "a console log that is missing" "4 passed, 1 failed" "missing or empty"
good; : >"$dir/console.log"
judged "a console log that is empty" "4 passed, 1 failed" "missing or empty"
good; sed -i '/Linux version/d' "$dir/console.log"
judged "a console log of something else" "4 passed, 1 failed" "does not begin"

while IFS= read -r line; do
	good; printk "$line"
	judged "on the console: $line" "4 passed, 1 failed" "console.log:4:"
done <<'END'
BUG: KASAN: slab-use-after-free in put_cred_rcu+0x1b/0x40
BUG: unable to handle page fault for address: ffffffffffffff00
WARNING: CPU: 0 PID: 71 at kernel/cred.c:104 __put_cred+0x3d/0x50
WARNING: possible circular locking dependency detected
WARNING: suspicious RCU usage
Oops: general protection fault, probably for non-canonical address
UBSAN: array-index-out-of-bounds in kernel/cred.c:100:3
Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009
INFO: task credfd:71 blocked for more than 120 seconds.
INFO: lockdep is turned off.
turning off the locking correctness validator.
BUG: MAX_LOCKDEP_ENTRIES too low!
refcount_t: underflow; use-after-free.
unreferenced object 0xffff888003a1b6c0 (size 192):
kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
kmemleak: Kernel memory leak detector disabled
rcu: INFO: rcu_preempt self-detected stall on CPU
watchdog: BUG: soft lockup - CPU#0 stuck for 26s!
Out of memory: Killed process 71 (nproc_test)
abi_test[71]: segfault at 0 ip 0000000000401234
 Call Trace:
END
good; printk "kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)"
judged "leaks that were not asked for" "4 passed, 1 failed" "kmemleak"
sed -i '$i kmemleak: scanned' "$dir/console.log"
judged "leaks that were asked for" "4 passed, 0 failed" ""
good; log 's/$/\r/'; sed -i 's/$/\r/' "$dir/console.log"
judged "line ends of a terminal" "4 passed, 0 failed" ""

good; kunit
judged "KUnit's tests on the console count, nested ones once" "9 passed, 0 failed" ""
ok "KUnit's suites are named" grep -x 'plain: kunit: example: 2 passed, 0 failed' <("$TOP/scripts/report" "$dir")
good; kunit; sed -i 's/$/\r/' "$dir/console.log"
judged "KUnit's tests with line ends of a terminal" "9 passed, 0 failed" ""
good; kunit; console 's/\(ok 2 example\|ok 2 second\)$/not &/'
judged "a failed test of KUnit" "8 passed, 1 failed" "kunit: example: second"
good; kunit; console 's/ok 2 second$/not &/'
judged "a failed test of KUnit in a suite that says ok" "8 passed, 1 failed" "kunit: example: second"
good; kunit; console 's/\(ok 2 bounding set grows\|ok 2 test_activate\|ok 1 commoncap\)$/not &/'
judged "a failed parameter of a test of KUnit" "8 passed, 1 failed" "kunit: commoncap: test_activate: bounding"
good; kunit; console 's/ok 2 example$/not &/'
judged "a suite of KUnit that failed after all its tests had passed" "9 passed, 1 failed" "kunit: example \(none"
good; kunit; console 's/ok 2 second$/& # SKIP no reason/'
judged "a skip of KUnit that is not listed" "8 passed, 1 failed" "kunit: example: second # SKIP no reason"
good; kunit; console '/ok 2 second$/d'
judged "a short plan of a suite of KUnit" "8 passed, 1 failed" "kunit: example: 1 of 2 planned"
good; kunit; console '0,/ 1\.\.2$/b; /    1\.\.2$/d'
judged "a suite of KUnit without a plan" "9 passed, 2 failed" "kunit: example: results without a plan"
good; kunit; console '/# Subtest: example/,/ok 2 second$/{/Subtest/!d}'
judged "a suite of KUnit without tests" "7 passed, 1 failed" "kunit: example: no tests"
good; kunit; console 's/ok 2 example$/&\n[    0.412345] ok 3 late/'
judged "a suite of KUnit that nobody planned" "10 passed, 1 failed" "kunit: 3 of 2 planned"
good; kunit; console '/ok 1 subset$/,/ok 2 example$/d'
judged "KUnit crashed half way" "5 passed, 2 failed" "kunit: commoncap: 1 of 2 planned"
good; kunit; console '/ok 1 first$/,/ok 2 example$/d'
judged "KUnit crashed between two tests" "7 passed, 2 failed" "kunit: 1 of 2 planned"
good; kunit; console '/ok 2 second$/,/ok 2 example$/d'
judged "KUnit crashed in the last test" "8 passed, 2 failed" "kunit: example: 1 of 2 planned"
good; kunit; console '/] 1\.\.2$/,/ok 2 example$/d'
judged "KUnit crashed before its plan" "4 passed, 1 failed" "kunit: "
good; kunit; console '/ok 1 subset$/,$d'; : >"$dir/result.log"
echo '[    0.4] Kernel panic - not syncing: Fatal exception' >>"$dir/console.log"
judged "KUnit took the kernel with it" "1 passed, 5 failed" "kunit: 0 of 2 planned"

good
tap=$work/tool.tap
printf '%s\n' 'ok 1 first' 'ok 2 second' '1..2' 'host-exit: 0' >"$tap"
inputs=("$dir" "$tap")
judged "the sum over a guest and a program of this host" "6 passed, 0 failed" ""
sed -i '/^1\.\./d' "$tap"
judged "a program of this host without a plan" "6 passed, 1 failed" "tool: results without a plan"
inputs=("$dir" "$work/nothing.tap")
judged "a log that does not exist" "4 passed, 1 failed" "no such log"
inputs=("$dir" "$work/nothing")
judged "a directory that does not exist" "4 passed, 1 failed" "no such log"

# The data files and the kernel tree are missed; the copy borrows the tree.
copy=$work/copy/scripts
mkdir -p "$copy"
cp "$TOP"/scripts/{report,skip.allow,splat.deny,splat.allow} "$copy"
refused "no kernel tree" "run scripts/apply" "$copy/report" "$dir"
ok "no kernel tree, but --help" "$copy/report" --help
mkdir "$work/copy/build"
ln -s "$LINUX" "$work/copy/build/linux"
ok "the copy works" "$copy/report" "$dir"
for f in skip.allow splat.deny splat.allow; do
	mv "$copy/$f" "$work/$f"
	refused "$f is missing" "scripts/$f is missing; restore" "$copy/report" "$dir"
	for bad in 'a(' '[[:space:]]' '\<word'; do
		{ cat "$work/$f"; printf '%s
' "$bad"; } >"$copy/$f"
		refused "$f with a bad expression: $bad" "scripts/$f holds a bad expression" "$copy/report" "$dir"
	done
	cp "$work/$f" "$copy/$f"
done
echo '# nothing' >"$copy/splat.deny"
refused "splat.deny is empty" "scripts/splat.deny is empty" "$copy/report" "$dir"
cp "$work/splat.deny" "$copy/splat.deny"
good; printk "WARNING: harmless"
inputs=("$dir")
judged "a splat that is not allowed" "4 passed, 1 failed" "harmless"
echo 'WARNING: harmless$' >>"$copy/splat.allow"
ok "a splat that is allowed" "$copy/report" "$dir"
refused "nothing to judge" "nothing to judge" "$TOP/scripts/report"
refused "an unknown option" "unknown option" "$TOP/scripts/report" --nonsense
done_testing
