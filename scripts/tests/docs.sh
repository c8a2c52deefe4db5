#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# docs - the documentation's example compiles, and its kernel-doc is complete
#
# TAP on standard output.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"
need gcc python3 perl

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rst=$LINUX/Documentation/userspace-api/credfd.rst
[[ -f $rst ]] || die "there is no build/linux" "run scripts/apply"

awk '/code-block:: c$/ { code = 1; next } code && /^[^ ]/ { exit } code { sub(/^    /, ""); print }' "$rst" >"$work/example.c"
ok "the example is a whole program" grep -q '^int main' "$work/example.c"
ok "the example compiles without a warning" gcc -Wall -Wextra -Werror -O2 -o "$work/example" "$work/example.c"

printf '#include <linux/credfd.h>\nint main(void) { return !CREDFD_ACCESS_ONLY; }\n' >"$work/header.c"
mkdir -p "$work/include/linux"
cp "$LINUX/include/uapi/linux/credfd.h" "$work/include/linux"
ok "the UAPI header needs no other" gcc -std=c99 -pedantic -Wall -Werror -nostdinc -I "$work/include" -fsyntax-only "$work/header.c"

# What the series creates must have no kernel-doc warning at all; of files that it only changes, its own functions.
for f in kernel/credfd.c include/uapi/linux/credfd.h include/trace/events/cred.h; do
	ok "kernel-doc of $f" bash -c "cd '$LINUX' && ! scripts/kernel-doc -none -Wall '$f' 2>&1 | grep ."
done
for f in 'kernel/cred.c activate_creds' 'kernel/cred.c flag_nproc_exceeded' 'security/security.c security_cred_activate' \
	'security/commoncap.c cap_cred_activate' 'security/smack/smack_lsm.c smack_cred_activate' \
	'kernel/auditsc.c __audit_cred_activate'; do
	read -r file name <<<"$f"
	ok "kernel-doc of $name()" bash -c "cd '$LINUX' && scripts/kernel-doc -rst -Wall -function '$name' '$file' 2>'$work/err' | grep -q '$name' &&
		! grep '$name' '$work/err'"
done
# Directives that name nothing would show nothing.
while read -r file doc; do
	ok "the documentation pulls in $doc, which exists" grep -q "DOC: $doc\$" "$LINUX/$file"
done < <(awk '/kernel-doc:: / { file = $3 } $1 == ":doc:" { print file, $2 }' "$rst")
done_testing
