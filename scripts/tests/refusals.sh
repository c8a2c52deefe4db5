#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# refusals - bad input ends in one clear line, a non-zero exit and nothing half done
#
# TAP on standard output. Works in a copy of this repository, on a base cut down to the files that the series touches.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"
base_load
need git

read -r repo commit < <("$TOP/scripts/fetch" 2>/dev/null)
mapfile -t patches < <("$TOP/scripts/verify" --series)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work CREDFD_CACHE=$work/cache
git config --global user.name series
git config --global user.email series@localhost
git config --global advice.detachedHead false

copy=$work/copy
mkdir "$copy"
(cd "$TOP" && git ls-files -co --exclude-standard -z | xargs -0 tar -cf -) | tar -C "$copy" -xf -
git -C "$copy" init -q
git -C "$copy" add -A
git -C "$copy" commit -qm copy

# The cut-down base, as the git tree, the tarball and the wrong version that a user may name.
mini=$work/mini
mkdir "$mini"
{
	sed -n 's,^--- a/,,p' "${patches[@]}"
	printf '%s\n' Makefile Kbuild
} | sort -u >"$work/touched"
git --git-dir="$repo" ls-tree -r --name-only "$commit" | sort | comm -12 - "$work/touched" |
	xargs git --git-dir="$repo" archive "$commit" | tar -C "$mini" -xf -
git -C "$mini" init -q
git -C "$mini" add -A -f
git -C "$mini" commit -qm 'Linux 7.3'
tar -C "$work" -cf "$work/mini.tar" mini
cp -r "$mini" "$work/other"
sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 2/' "$work/other/Makefile"
git -C "$work/other" commit -qam 'Linux 7.2'
tar -C "$work" -cf "$work/other.tar" other
v() { "$copy/scripts/$1" "${@:2}"; }
with() { env "$@"; }

for verb in setup fetch apply build boot export verify mbox checkpatch demo check fuzz races cross static walk matrix; do
	refused "$verb refuses an unknown option" "unknown option '--nonsense'.*--help" v "$verb" --nonsense
	ok "$verb --help" v "$verb" --help
done
refused "build refuses an unknown architecture" "pdp11" v build --arch pdp11
refused "build refuses an unknown flavour" "vanilla" v build --flavour vanilla
refused "check refuses an unknown part" "unknown part 'everything'; known: plain" v check everything
refused "cross refuses an unknown part" "unknown part 'pdp11'" v cross pdp11
refused "fuzz refuses what is no number" "STEPS" v fuzz many
refused "boot refuses an unknown architecture" "pdp11" v boot --arch pdp11
refused "boot refuses a kernel that is not built" "scripts/build" v boot --flavour debug -- true

refused "KSRC that does not exist" "does not exist; set KSRC" with KSRC="$work/nowhere" "$copy/scripts/fetch"
refused "KSRC that is another version (git)" "is Linux 7\.2\..*not 7\.3" with KSRC="$work/other" "$copy/scripts/fetch"
refused "KSRC that is another version (tarball)" "is Linux 7\.2\..*not 7\.3" with KSRC="$work/other.tar" "$copy/scripts/fetch"
refused "KSRC that is no kernel (git)" "no kernel tree" with KSRC="$copy" "$copy/scripts/fetch"
mkdir "$work/empty"
refused "KSRC that is no kernel (directory)" "no kernel tree" with KSRC="$work/empty" "$copy/scripts/fetch"
printf 'no tarball' >"$work/text.tar"
refused "KSRC that is no archive" "unpacking text.tar failed" with KSRC="$work/text.tar" "$copy/scripts/fetch"
mkdir -p "$work/apt"
printf 'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "/dev/null"; Dir::State::lists "%s";\n' "$work/apt" >"$work/apt.conf"
refused "a machine without a mirror" "no Debian mirror.*KSRC" with APT_CONFIG="$work/apt.conf" "$copy/scripts/fetch"
printf 'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::https::Proxy "http://127.0.0.1:9"; Acquire::Retries "0";\n' >"$work/apt.conf"
refused "a machine without a network" "not to be had.*KSRC" with APT_CONFIG="$work/apt.conf" "$copy/scripts/fetch"
ok "nothing half done is left in the cache" test -z "$(find "$work/cache" -mindepth 1 ! -name "*.lock" ! -name log ! -path "*/log/*")"
if unshare -m true 2>/dev/null; then
	refused "a full disk" "GiB are needed" unshare -m bash -c 'mkdir -p "$1" && mount -t tmpfs -o size=1m full "$1" &&
		CREDFD_CACHE=$1 KSRC=$2 exec "$3"' - "$work/full" "$work/mini.tar" "$copy/scripts/fetch"
fi

export KSRC=$mini
before=$(cd "$mini" && find . -type f -exec sha256sum {} + | sort | sha256sum)
ok "KSRC as a git tree" v apply
ok "KSRC is not modified" test "$before" = "$(cd "$mini" && find . -type f -exec sha256sum {} + | sort | sha256sum)"
ok "apply again does nothing" v apply
ok "export after apply changes nothing" bash -c "'$copy/scripts/export' && test -z \"\$(git -C '$copy' status --porcelain)\""
printf '\n' >>"$copy/build/linux/kernel/cred.c"
refused "export refuses uncommitted changes" "uncommitted changes; commit" v export
printf 'x\n' >>"$copy/patches/series"
refused "a series that names a missing patch" "names x, which is not there" v apply
git -C "$copy" checkout -q patches
printf '\n' >>"$copy/kernel/credfd.c"
refused "apply refuses an edited mirror" "kernel/credfd.c; edit in build/linux" v apply
git -C "$copy" checkout -q kernel
git -C "$copy/build/linux" commit -qam 'fixup! something'
refused "export refuses fixup commits" "fixup commits; fold" v export
git -C "$copy/build/linux" commit -q --amend -m 'cred: a change that is not exported'
sed -i 's/^Subject: /&again: /' "$copy"/patches/0001-*
refused "apply refuses to lose commits" "does not hold; run scripts/export" v apply
printf '\n' >>"$copy/build/linux/kernel/cred.c"
refused "apply refuses to lose uncommitted changes" "uncommitted changes; commit" v apply
ok "apply --discard" v apply --discard
sed -i '0,/^ extern/s/^ extern/ extern_/' "$copy"/patches/0001-*
sed -i '0,/^ static/s/^ static/ statik/; 0,/^ #/s/^ #/ ##/' "$copy"/patches/0001-*
tip=$(git -C "$copy/build/linux" rev-parse HEAD)
refused "a patch that does not apply" "does not apply to this base: again: .*cred: only clear" v apply
ok "the workbench is as it was" bash -c "test $tip = \$(git -C '$copy/build/linux' rev-parse HEAD) && git -C '$copy/build/linux' diff --quiet HEAD"
git -C "$copy" checkout -q patches
ok "apply after that" v apply
if unshare -m true 2>/dev/null; then
	# There is room, but for a hundred files.
	refused "a disk that is full half way" "No space left on device|checking out the base failed" unshare -m bash -c '
		mount -t tmpfs -o size=20g,nr_inodes=120 full "$1/build" && exec "$1/scripts/apply"' - "$copy"
	refused "a disk that is full half way through the series" "does not apply to this base: .*No space left on device" unshare -m bash -c '
		mount -t tmpfs -o size=20g,nr_inodes=420 full "$1/build" && exec "$1/scripts/apply"' - "$copy"
	ok "apply after that" v apply
fi
unset KSRC
ok "KSRC as a tarball" with KSRC="$work/mini.tar" "$copy/scripts/fetch"

# An interrupted run must not be in the way of the next.
export KSRC=$mini
rm -rf "$copy/build"
bash -c "'$copy/scripts/apply' & sleep 0.2; kill -INT \$!; wait" >/dev/null 2>&1 || true
ok "apply after an interrupted apply" v apply
done_testing
