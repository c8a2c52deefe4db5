#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compile a policy: what the kernel's mdp prints, with the rules of some files.
#
# usage: MDP=PROGRAM CHECKPOLICY=PROGRAM mkpolicy.sh [--old] OUTPUT FILE...
#   --old  do not define the permissions that came with credfd

set -eu

old=0
if [ "$1" = --old ]; then
	old=1
	shift
fi
output=$1
shift

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$MDP" "$dir/mdp.conf" "$dir/contexts"
cat "$@" >"$dir/rules"

# The compiler refuses names of policy capabilities that are newer than itself.
# An old one is kept, which makes the kernel look at another permission of the
# class process2. So there also is a bitmap into which the test can put credfd's.
#
# Rules have to come before the first user.
awk -v old="$old" -v rules="$dir/rules" '
	$1 == "policycap" && $2 != "nnp_nosuid_transition;" { next }
	old && /^\tcred_(activate|access)$/ { next }
	$1 == "user" { while ((getline line <rules) > 0) print line }
	{ print }
' "$dir/mdp.conf" >"$dir/policy.conf"

# The highest version of the format that both know, the compiler and the kernel.
header=$(dirname "$0")/../../../../../security/selinux/include/security.h
version=$(awk '
	$1 == "#define" && $2 ~ /^POLICYDB_VERSION_/ {
		value[$2] = $3 in value ? value[$3] : $3
	}
	END { print value["POLICYDB_VERSION_MAX"] }
' "$header")
newest=$("$CHECKPOLICY" -V | awk '{ print $1 }')
[ "$version" -le "$newest" ] || version=$newest

"$CHECKPOLICY" -U allow -c "$version" -o "$output" "$dir/policy.conf"
