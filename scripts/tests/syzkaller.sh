#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# syzkaller - the descriptions for syzkaller say what the headers say
#
# TAP on standard output: the constants, system calls and structures of Documentation/syzkaller/*.txt, and some about what this
# script must find. It does not replace syzkaller's compiler.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"
need gcc awk grep sed

dir=$TOP/Documentation/syzkaller
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ -f $LINUX/include/uapi/linux/credfd.h ]] || die "there is no build/linux" "run scripts/apply"

# The machine's own headers do not know what the series adds.
mkdir -p "$work/series/linux"
cp "$LINUX"/include/uapi/linux/{mount,credfd,fcntl,openat2}.h "$work/series/linux"
printf '#include <%s>\n' stddef.h linux/mount.h linux/credfd.h linux/fcntl.h >"$work/headers.h"
compiles() { gcc -std=gnu11 -Wall -Werror -I "$work/series" -include "$work/headers.h" -fsyntax-only -x c "$1"; }

# code FILE: without comments and directives
code() { sed 's/#.*//; /^include /d' "$1"; }

constants() {
	code "$1" | grep -oE '\b[A-Z][A-Z0-9_]{2,}\b' | sort -u | awk '{ printf "unsigned long long x%d = %s;\n", NR, $0 }' >"$work/constants.c"
	compiles "$work/constants.c"
}

# calls FILE: each has a number, and as many arguments as the kernel's
calls() {
	local call args want bad=0
	while read -r call args; do
		want=$(tr '\n\t' '  ' <"$LINUX/include/linux/syscalls.h" | grep -oE "asmlinkage long sys_$call\([^)]*\)" | tr -cd , | wc -c)
		grep -qE "^#define __NR_$call +[0-9]+" "$LINUX/include/uapi/asm-generic/unistd.h" && [[ $((want + 1)) -eq $args ]] && continue
		echo "$call with $args arguments is not what the kernel has"
		bad=1
	done < <(code "$1" | awk '/^[a-z_]+(\$[a-z_]+)?\(/ {
		name = $0; sub(/[$(].*/, "", name)
		inner = $0; sub(/^[^(]*\(/, "", inner)
		while (gsub(/\[[^][]*\]/, "", inner)) ;
		sub(/\).*/, "", inner)
		print name, split(inner, parts, ",")
	}')
	return "$bad"
}

# struct FILE NAME: its members are those of the C structure of which NAME is a kind, in name, order and size, and they are all
struct() {
	code "$1" | awk -v name="$2" '
	BEGIN { of = name ~ /^mount_attr_/ ? "mount_attr" : name ~ /^mnt_id_req_/ ? "mnt_id_req" : name ~ /^statmount_/ ? "statmount" : "unknown" }
	$0 == name " {" { inside = 1; next }
	!inside { next }
	/^}/ { printf "_Static_assert(sizeof(struct %s) == %d, \"end\");\n", of, at; exit }
	NF {
		field = $1
		type = $0
		sub(/^[ \t]*[a-z0-9_]+[ \t]+/, "", type)
		n = 1
		if (type ~ /^array\[.*, *[0-9]+\]$/) {
			n = type
			gsub(/^.*, *|\]$/, "", n)
		}
		size = type ~ /int64|^align64\[/ ? 8 : type ~ /int32|^(uid|gid|fd[a-z_]*)(\[opt\])?$/ ? 4 : 0
		if (type == "array[int8]")
			n = 0
		else if (!size)
			print "#error what is the size of " field "?"
		else
			at = int((at + size - 1) / size) * size
		printf "_Static_assert(offsetof(struct %s, %s) == %d, \"%s\");\n", of, field, at, field
		if (n)
			printf "_Static_assert(sizeof(((struct %s *)0)->%s) == %d, \"%s\");\n", of, field, n * size, field
		at += n * size
	}' >"$work/struct.c"
	[[ -s $work/struct.c ]] && compiles "$work/struct.c"
}

structs() { code "$1" | sed -n 's/^\([a-z_]*\) {$/\1/p'; }

# What is used is defined, here or in sys/linux, and what is defined is used.
names() {
	local used defined
	used=$(code "$1" | grep -oE 'flags\[[a-z_]+|ptr\[(in|out), [a-z_]+' | sed 's/.*[[ ]//' | sort -u | grep -vx -e filename -e string)
	defined=$({ structs "$1"; code "$1" | sed -n 's/^\([a-z_]*\) = .*/\1/p'; } | sort -u)
	diff <(echo "$used") <(echo "$defined")
}

for f in "$dir"/*.txt; do
	name=${f##*/}
	ok "$name: every constant is in the headers" constants "$f"
	ok "$name: every system call has its number and its arguments" calls "$f"
	ok "$name: every name is defined and used" names "$f"
	while read -r s; do
		ok "$name: $s is the C structure" struct "$f" "$s"
	done < <(structs "$f")
done

# finds NAME FILE EXPRESSION COMMAND ARGS: the command must complain about a copy that sed has changed
finds() {
	local name=$1 file=$dir/$2 expression=$3
	shift 3
	sed "$expression" "$file" >"$work/copy.txt"
	if cmp -s "$file" "$work/copy.txt"; then
		not_ok "$name is found" "sed '$expression' changes nothing"
	elif "$1" "$work/copy.txt" "${@:2}" >"$work/out" 2>&1; then
		not_ok "$name is found"
	else
		ok "$name is found" true
	fi
}
finds "a constant that does not exist" mount_shift.txt 's/MOUNT_SHIFT_ANY/MOUNT_SHIFT_ALL/' constants
finds "a system call that does not exist" credfd.txt 's/^credfd_create/credfd_make/' calls
finds "an argument too many" credfd.txt 's/flags const\[0\])/flags const[0], more int32)/' calls
finds "a member of another name" mount_shift.txt 's/^\torigin_gid/\torigin_git/' struct mount_attr_any
finds "a member of another size" mount_shift.txt 's/^\torigin_gid\t.*/\torigin_gid\tint64/' struct mount_attr_any
finds "members in another order" mount_shift.txt 's/^\torigin_uid/\tX/; s/^\torigin_gid/\torigin_uid/; s/^\tX/\torigin_gid/' struct mount_attr_any
finds "a member that is left out" mount_shift.txt '/^\torigin_userns_fd/d' struct mount_attr_any
finds "a structure that does not exist" mount_shift.txt 's/ptr\[in, mount_attr_shift\]/ptr[in, mount_attr_shit]/' names
done_testing
