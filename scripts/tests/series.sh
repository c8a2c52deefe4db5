#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# series - every way to apply the series gives the same tree, and export gives the same bytes
#
# TAP on standard output. Works on the files that the series touches, not on a whole kernel tree.
. "$(dirname "$0")/../lib.sh"
. "$TOP/scripts/tests/tap.sh"
base_load
need git b4 quilt patch

read -r repo commit < <("$TOP/scripts/fetch" 2>/dev/null)
mapfile -t patches < <("$TOP/scripts/verify" --series)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work GIT_CONFIG_NOSYSTEM=1 XDG_CONFIG_HOME=$work/.config XDG_DATA_HOME=$work/.local XDG_CACHE_HOME=$work/.cache
git config --global user.name series
git config --global user.email series@localhost
git config --global init.defaultBranch main
# A patch by mail is applied as it is, whatever the user's own settings.
git config --global core.autocrlf false

# base DIR: the touched files of the base, as a git repository
sed -n 's,^--- a/,,p' "${patches[@]}" | sort -u >"$work/touched"
git --git-dir="$repo" ls-tree -r --name-only "$commit" | sort | comm -12 - "$work/touched" >"$work/files"
base() {
	mkdir "$1"
	xargs git --git-dir="$repo" archive "$commit" <"$work/files" | tar -C "$1" -xf -
	git -C "$1" init -q
	git -C "$1" add -A -f
	git -C "$1" commit -qm base
}
# tree DIR: what is in it now, as one id
tree() { (cd "$1" && git add -A -f . ':!.pc' ':!patches' && git write-tree); }

base "$work/am"
ok "git am" git -C "$work/am" am -q "${patches[@]}"
want=$(tree "$work/am")

base "$work/shazam"
"$TOP/scripts/mbox" "$work/series.mbox" 2>/dev/null
# b4 exits 0 when it finds no patches, so what counts is the tree.
ok "b4 shazam" bash -c "cd '$work/shazam' && b4 --offline-mode shazam -m '$work/series.mbox'"
ok "b4 shazam gives the tree that git am gives" test "$(tree "$work/shazam")" = "$want"
mkdir "$work/b4am"
base "$work/b4am/linux"
ok "b4 am" bash -c "cd '$work/b4am/linux' && b4 --offline-mode am -o '$work/b4am' -m '$work/series.mbox'"
ok "the mbox of b4 am applies" bash -c "git -C '$work/b4am/linux' am -q '$work'/b4am/*.mbx"
ok "b4 am gives the tree that git am gives" test "$(tree "$work/b4am/linux")" = "$want"

base "$work/quilt"
ok "quilt push -a" bash -c "cd '$work/quilt' && QUILT_PATCHES='$TOP/patches' quilt --quiltrc=- push -a"
ok "quilt gives the tree that git am gives" test "$(tree "$work/quilt")" = "$want"

base "$work/patch"
ok "patch -p1" bash -c "cd '$work/patch' && for p in \"\$@\"; do patch -s -p1 <\"\$p\" || exit 1; done" - "${patches[@]}"
ok "patch gives the tree that git am gives" test "$(tree "$work/patch")" = "$want"

# Distance of our hunks to what the distribution changed: all of them must apply without an offset by fuzz.
base "$work/fuzz"
ok "no hunk needs fuzz" bash -c "cd '$work/fuzz' && for p in \"\$@\"; do patch -F0 -p1 <\"\$p\" || exit 1; done" - "${patches[@]}"

# Export after apply: in a clone of this repository as it is now, with the workbench made anew.
if [[ -d $LINUX/.git && $(git -C "$LINUX" config series.tip) == "$(git -C "$LINUX" rev-parse HEAD)" ]]; then
	cp -r "$TOP/patches" "$work/before"
	ok "export" "$TOP/scripts/export"
	ok "export after apply is byte-identical" diff -r "$work/before" "$TOP/patches"
	ok "the mirror equals the patches" "$TOP/scripts/verify"
else
	not_ok "build/linux holds the series" "run scripts/apply"
fi

ok "every patch is signed off" bash -c '! grep -L "^Signed-off-by: " "$@" | grep .' - "${patches[@]}"
ok "checkpatch finds nothing" "$TOP/scripts/checkpatch" "${patches[@]}"
done_testing
