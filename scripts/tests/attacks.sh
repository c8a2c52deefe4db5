#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# attacks - the attack book speaks of tests, functions and files that exist
#
# TAP on standard output: a result for each group of Documentation/attacks.md, some about the whole, and some about what this
# script must find.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"
need awk grep sed

book=$TOP/Documentation/attacks.md
tests=$LINUX/tools/testing/selftests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ -f $LINUX/kernel/credfd.c ]] || die "there is no build/linux" "run scripts/apply"

# facts BOOK: a line for each thing that an entry names, with tabs: group, number, kind, half, file, name. The kind is place,
# test or kunit; or entry, with what the entry lacks instead of a name.
facts() {
	awk '
	function fact(kind, file, name) { printf "%s\t%d\t%s\t%s\t%s\t%s\n", group, nr, kind, half, file, name }
	function spans(text, kind,   parts, names, n, i, j, m, colon) {
		n = split(text, parts, "`")
		for (i = 2; i <= n; i += 2) {
			colon = index(parts[i], ": ")
			if (!colon)
				continue
			m = split(substr(parts[i], colon + 2), names, ", *")
			for (j = 1; j <= m; j++) {
				fact(kind == "test" && parts[i] ~ /^[a-z_\/]*\.c:/ ? "kunit" : kind, substr(parts[i], 1, colon - 1), names[j])
				found++
			}
		}
	}
	function finish(   at, stopped, lacks) {
		if (!nr)
			return
		gsub(/[ \t]+/, " ", text)
		at = match(text, /\*Tests:\*/)
		stopped = text ~ /\*Stopped\*/
		if (stopped == (text ~ /\*Not stopped/))
			lacks = "whether it is stopped; "
		found = 0
		spans(at ? substr(text, 1, at - 1) : text, "place")
		if (stopped && !found)
			lacks = lacks "the place of the rule; "
		found = 0
		if (at)
			spans(substr(text, at), "test")
		if (!found && text !~ /\*No test/)
			lacks = lacks "a test, or that there is none; "
		if (text ~ /\*Not stopped/ && text !~ /Minds: /)
			lacks = lacks "who has to mind it; "
		if (nr != last + 1)
			lacks = lacks "the next number; "
		fact("entry", "", lacks)
		last = nr
		nr = 0
	}
	/^#/ { finish() }
	/^## credfd/ { half = "credfd" }
	/^## Shiftable/ { half = "filesystems/mount_shift" }
	/^### / { group = substr($0, 5) }
	/^[0-9]+\. / { finish(); nr = $1 + 0; text = "" }
	{ text = text " " $0 }
	END { finish() }
	' "$1"
}

defines() {
	grep -qE "^([A-Za-z_][^;]*[ *])?$2\([^;]*$|^([A-Za-z_].*[ *])?$2\(.*\{|^SYSCALL_DEFINE[0-9]\($2[,)]" "$1"
}

# exists KIND HALF FILE NAME
exists() {
	local kind=$1 file=$3 name=$4
	case $kind in
	place) [[ $name == *'()' && -f $LINUX/$file ]] && defines "$LINUX/$file" "${name%'()'}" ;;
	kunit) [[ -f $LINUX/$file ]] && grep -qE "KUNIT_CASE(_PARAM)?\(${name}[,)]" "$LINUX/$file" ;;
	test)
		file=$tests/$2/$file
		if [[ $file == *.sh ]]; then
			# What it defines, and what is among the names that it runs.
			[[ -f $file ]] && grep -q "^t_$name()" "$file" && sed -n '/^case \$1 in/,/^esac/p' "$file" | grep -qw "$name"
		else
			[[ $name == *.* && -f $file.c ]] && grep -q "^FIXTURE(${name%.*})" "$file.c" &&
				grep -qE "^TEST_F(_TIMEOUT)?\(${name%.*}, ${name#*.}[,)]" "$file.c"
		fi ;;
	entry) [[ -z $name ]] ;;
	esac
}

# check BOOK [GROUP]: says what is wrong
check() {
	local group nr kind half file name bad=0
	while IFS=$'\t' read -r group nr kind half file name; do
		[[ -z ${2-} || $group == "$2" ]] || continue
		exists "$kind" "$half" "$file" "$name" && continue
		bad=1
		[[ $kind == entry ]] && printf '%d lacks: %s\n' "$nr" "$name" || printf '%d: there is no %s %s in %s\n' "$nr" "$kind" "$name" "$file"
	done < <(facts "$1" | sed 's/\t\t/\t-\t/')
	return "$bad"
}

# at_least N BOOK
at_least() { [[ $(facts "$2" | cut -f3 | grep -c entry) -ge $1 ]]; }

while read -r group; do
	ok "$group" check "$book" "$group"
done < <(sed -n 's/^### //p' "$book")
ok "there are at least 40 attacks" at_least 40 "$book"
same_numbers() { [[ $(grep -cE '^[0-9]+\. ' "$book") -eq $(facts "$book" | cut -f3 | grep -c entry) ]]; }
ok "each of them is in a group" same_numbers

# finds NAME PATTERN EXPRESSION: check must complain about a copy that sed has changed
finds() {
	sed "$3" "$book" >"$work/book.md"
	if cmp -s "$book" "$work/book.md"; then
		not_ok "$1 is found" "sed '$3' changes nothing"
	else
		ok "$1 is found" bash -c '! out=$("$@") && grep -qE "$0" <<<"$out"' "$2" check "$work/book.md"
	fi
}
export -f check facts exists defines
export LINUX tests
finds "a test that does not exist" 'no test gain\.permited ' 's/gain\.permitted,/gain.permited,/'
finds "a fixture that does not exist" 'no test gane\.' 's/gain\.permitted,/gane.permitted,/'
finds "a program that does not exist" 'in gane_test' 's/`gain_test: gain\.permitted,/`gane_test: gain.permitted,/'
finds "a test of the other half" 'in race_test' 's/`gain_test: gain\.permitted,/`race_test: gain.permitted,/'
finds "a test of the helper that does not exist" 'no test forget ' 's/mount_shift\.sh: forged/mount_shift.sh: forget/'
finds "a KUnit test that does not exist" 'no kunit test_no_rap ' 's/test_no_wrap/test_no_rap/'
finds "a function that does not exist" 'no place cred_ids_maped' 's/cred_ids_mapped/cred_ids_maped/'
finds "a function that the file only calls" 'no place prepare_creds' 's/kernel\/credfd\.c: cred_ids_mapped/kernel\/credfd.c: prepare_creds/'
finds "a file that does not exist" 'in kernel/credfs\.c' 's/kernel\/credfd\.c: cred_ids_mapped/kernel\/credfs.c: cred_ids_mapped/'
finds "an entry without a test" 'lacks: a test' 's/\*No test\. Tried\.\*//'
finds "an entry that nobody minds" 'lacks: who' 's/Minds: nobody;//'
finds "a number that is left out" 'lacks: the next number' 's/^7\. /8. /'
done_testing
