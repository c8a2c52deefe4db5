#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compile a policy: what the kernel's mdp prints, with the rules of some files.
#
# usage: MDP=PROGRAM CHECKPOLICY=PROGRAM mkpolicy.sh OUTPUT FILE...

set -eu

output=$1
shift

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$MDP" "$dir/mdp.conf" "$dir/contexts"
cat "$@" >"$dir/rules"

# The compiler refuses names of policy capabilities that are newer than itself,
# and nothing here depends on any. Rules have to come before the first user.
awk -v rules="$dir/rules" '
	$1 == "policycap" { next }
	$1 == "user" { while ((getline line <rules) > 0) print line }
	{ print }
' "$dir/mdp.conf" >"$dir/policy.conf"

# The highest version of the format that both know, the compiler and the kernel.
header=$(dirname "$0")/../../../../../../security/selinux/include/security.h
version=$(awk '
	$1 == "#define" && $2 ~ /^POLICYDB_VERSION_/ {
		value[$2] = $3 in value ? value[$3] : $3
	}
	END { print value["POLICYDB_VERSION_MAX"] }
' "$header")
newest=$("$CHECKPOLICY" -V | awk '{ print $1 }')
[ "$version" -le "$newest" ] || version=$newest

"$CHECKPOLICY" -U allow -c "$version" -o "$output" "$dir/policy.conf"
