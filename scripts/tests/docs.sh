#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# docs - the documentation's examples compile, and its kernel-doc is complete
#
# TAP on standard output.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"
need gcc python3 perl

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
docs=(Documentation/userspace-api/credfd.rst Documentation/filesystems/mount_shift.rst)
[[ -f $LINUX/${docs[0]} ]] || die "there is no build/linux" "run scripts/apply"

# The machine's own headers do not know what the series adds.
mkdir -p "$work/include/linux" "$work/series/linux"
cp "$LINUX/include/uapi/linux/mount.h" "$work/series/linux"
for d in "${docs[@]}"; do
	name=$(basename "$d" .rst)
	awk '/code-block:: c$/ { code = 1; next } code && /^[^ ]/ { exit } code { sub(/^    /, ""); print }' "$LINUX/$d" >"$work/$name.c"
	ok "the example of $name.rst is a whole program" grep -q '^int main' "$work/$name.c"
	ok "the example of $name.rst compiles without a warning" gcc -Wall -Wextra -Werror -O2 -I "$work/series" \
		-o "$work/example" "$work/$name.c"
done

printf '#include <linux/credfd.h>\nint main(void) { return !CREDFD_ACCESS_ONLY; }\n' >"$work/header.c"
cp "$LINUX/include/uapi/linux/credfd.h" "$work/include/linux"
ok "the UAPI header needs no other" gcc -std=c99 -pedantic -Wall -Werror -nostdinc -I "$work/include" -fsyntax-only "$work/header.c"

# What the series creates must have no kernel-doc warning at all; of files that it only changes, its own functions.
for f in kernel/credfd.c include/uapi/linux/credfd.h include/trace/events/cred.h fs/mnt_shift.c include/uapi/linux/mount.h; do
	ok "kernel-doc of $f" bash -c "cd '$LINUX' && ! scripts/kernel-doc -none -Wall '$f' 2>&1 | grep ."
done
for f in 'kernel/cred.c activate_creds' 'kernel/cred.c flag_nproc_exceeded' 'security/security.c security_cred_activate' \
	'security/commoncap.c cap_cred_activate' 'security/smack/smack_lsm.c smack_cred_activate' \
	'kernel/auditsc.c __audit_cred_activate' 'security/security.c security_mount_setattr' 'fs/mnt_idmapping.c compose_mnt_idmap' \
	'fs/mnt_idmapping.c alloc_mnt_origin' 'fs/mnt_idmapping.c alloc_mnt_origin_linear' 'fs/mnt_idmapping.c mnt_origin_linear'; do
	read -r file name <<<"$f"
	ok "kernel-doc of $name()" bash -c "cd '$LINUX' && scripts/kernel-doc -rst -Wall -function '$name' '$file' 2>'$work/err' | grep -q '$name' &&
		! grep '$name' '$work/err'"
done
# Directives that name nothing would show nothing.
while read -r kind file doc; do
	case $kind in
	:doc:) ok "the documentation pulls in $doc, which exists" grep -q "DOC: $doc\$" "$LINUX/$file" ;;
	*) ok "the documentation pulls in $doc(), which exists" grep -qE "^ \* (struct )?$doc( |\()" "$LINUX/$file" ;;
	esac
done < <(cd "$LINUX" && awk '/kernel-doc:: / { file = $3 } $1 == ":doc:" || $1 == ":identifiers:" { print $1, file, $2 }' "${docs[@]}")
done_testing
