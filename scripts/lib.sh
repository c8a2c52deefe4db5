# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every verb: where things are, how to fail, how to show progress.
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Shared by all clones on this machine, so a second one need not download or compile again.
CACHE=${CREDFD_CACHE:-${XDG_CACHE_HOME:-${HOME:-$TOP/build}/.cache}/credfd}
# For one clone; LINUX is the git workbench, the only place where kernel code is edited.
BUILD=$TOP/build
LINUX=$BUILD/linux
# The collections of selftests that the series brings or adds to
# shellcheck disable=SC2034
SELFTESTS=(credfd filesystems/mount_shift filesystems/statmount)
export LC_ALL=C TZ=UTC

# shellcheck source=/dev/null
base_load() {
	[[ -f $TOP/patches/base ]] || die "patches/base is missing" "restore it with: git checkout patches/base"
	. "$TOP/patches/base"
}

# die WHAT CURE: one line saying what went wrong and what to do about it.
die() {
	printf '%s: %s%s\n' "${0##*/}" "$1" "${2:+; $2}" >&2
	exit 1
}

say() { printf '==> %s\n' "$*" >&2; }

# usage: print the comment at the head of the calling script.
usage() {
	sed -n '3,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# verb_args ARGS...: for verbs without arguments of their own.
verb_args() {
	case ${1-} in
	'') ;;
	-h | --help) usage; exit 0 ;;
	*) die "unknown option '$1'" "see ${0##*/} --help" ;;
	esac
}

need() {
	local c
	for c; do
		command -v "$c" >/dev/null || die "'$c' is not installed" "run scripts/setup"
	done
}

# space DIR GIB: refuse early rather than die of ENOSPC in the middle of a build.
space() {
	local free
	mkdir -p "$1"
	free=$(($(stat -f -c '%a * %S' "$1") / 1073741824))
	[[ $free -ge $2 ]] || die "$1 has $free GiB free, $2 GiB are needed" "free some or set CREDFD_CACHE elsewhere"
}

# progress LABEL LOG TOTAL CMD...: run CMD into LOG; on a terminal show a running line, elsewhere one line a minute.
# TOTAL is the number of log lines that a complete run is known to print (0: unknown).
progress() {
	local label=$1 log=$2 total=$3 pid start now lines rc=0 last=0 pct=''
	shift 3
	start=$SECONDS
	mkdir -p "${log%/*}"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	# shellcheck disable=SC2064
	trap "kill -- $pid 2>/dev/null; exit 130" INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.3
		now=$((SECONDS - start))
		lines=$(wc -l <"$log")
		[[ $total -gt 0 ]] && pct=" $((lines * 100 / total > 99 ? 99 : lines * 100 / total))%"
		if [[ -t 2 ]]; then
			printf '\r==> %s:%s %dm%02ds, %d steps ' "$label" "$pct" $((now / 60)) $((now % 60)) "$lines" >&2
		elif ((now - last >= 60)); then
			last=$now
			say "$label:$pct $((now / 60)) min, $lines steps"
		fi
	done
	wait "$pid" || rc=$?
	trap - INT TERM
	[[ -t 2 ]] && printf '\r\033[K' >&2
	if [[ $rc -ne 0 ]]; then
		{ grep -E '(error|Error|fatal|No space)' "$log" || tail -5 "$log"; } | head -5 | sed 's/^/==>   /' >&2
		die "$label failed (exit $rc)" "the whole log is in ${log#"$TOP"/}"
	fi
	say "$label: done in $((SECONDS - start)) s"
}

# apt_root DIR SUITE [ARCHITECTURE [TYPE]]: a root of its own for apt, with another suite or architecture of this machine's own
# mirror and keyring, or its sources (deb-src). Fails if the machine has none.
apt_root() {
	local uri entry keyring architecture=${3:-$(dpkg --print-architecture)} type=${4:-deb}
	# shellcheck disable=SC2016
	read -r uri entry < <(apt-get indextargets --format '$(REPO_URI) $(SOURCESENTRY)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 'Component: main' 2>/dev/null) || return 1
	keyring=$(awk 'tolower($1) == "signed-by:" { print $2; exit }' "${entry%:*}" 2>/dev/null)
	[[ -f $keyring ]] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	mkdir -p "$1"/{state,lists/partial,cache/archives/partial}
	: >"$1/status"
	printf '%s\n' "Types: $type" "URIs: $uri" "Suites: $2" "Components: main" "Architectures: $architecture" \
		"Signed-By: $keyring" >"$1/apt.sources"
	echo "$architecture" >"$1/architecture"
	# Its exit status does not tell whether the mirror could be reached: ask what it brought.
	apt_private "$1" update >"$1/apt.log" 2>&1 || true
}

# apt_private DIR ARGS...: apt-get in that root, and in that directory
apt_private() {
	local architecture
	architecture=$(<"$1/architecture")
	(cd "$1" && apt-get -q -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
		-o Dir::Etc::sourcelist="$1/apt.sources" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferencesparts=- -o Dir::State="$1/state" -o Dir::State::lists="$1/lists" \
		-o Dir::State::status="$1/status" -o Dir::Cache="$1/cache" -o APT::Sandbox::User= \
		-o APT::Update::Post-Invoke-Success::= -o APT::Update::Post-Invoke::= -o Dir::Etc::main=- "${@:2}")
}

# value OPTION VALUE...: what follows an option that takes a value
value() {
	[[ $# -ge 2 ]] || die "$1 needs a value" "see ${0##*/} --help"
	printf '%s\n' "$2"
}

# names DIR SUFFIX: the data files of one kind, for a message
names() { (cd "$TOP/scripts/$1" && printf '%s\n' *"$2" | sed "s/$2\$//" | xargs); }

# target_load ARCH FLAVOUR: the facts of the architecture, the config fragments and the O= directory ($OBJ)
target_load() {
	local conf=$TOP/scripts/arch/$1.conf
	[[ $1 != */* && -f $conf ]] || die "unknown architecture '$1'" "known: $(names arch .conf)"
	FRAGMENTS=("$TOP/scripts/config/boot.config")
	[[ $2 == boot ]] || FRAGMENTS+=("$TOP/scripts/config/$2.config")
	[[ $2 != */* && -f ${FRAGMENTS[-1]} ]] || die "unknown flavour '$2'" "known: $(names config .config)"
	# shellcheck source=/dev/null
	. "$conf"
	# What only this architecture has stands beside its facts.
	[[ ! -f ${conf}ig ]] || FRAGMENTS+=("${conf}ig")
	OBJ=$BUILD/$1-$2
}

# An option that Kconfig dropped would make a test vanish, or a debug kernel find nothing.
config_survived() {
	local missing
	missing=$(awk '
		/^CONFIG_[A-Za-z0-9_]+=/ { s = $0; sub(/=.*/, "", s); v = $0; sub(/^[^=]*=/, "", v) }
		/^# CONFIG_[A-Za-z0-9_]+ is not set/ { s = $2; v = "n" }
		s != "" && !last { want[s] = v }
		s != "" && last { have[s] = v }
		{ s = "" }
		END { for (s in want) if ((s in have ? have[s] : "n") != want[s]) print s "=" want[s] }
	' "${FRAGMENTS[@]}" last=1 "$OBJ/.config" | sort | xargs)
	[[ -z $missing ]] || die "Kconfig did not keep: $missing" "see what they depend on (make menuconfig, then /)"
}

# object_targets SRC [TABLES]: what walk and matrix compile with --objects. Of fs/ what is patched, as far as it is there: all of it
# would take as long as the rest.
object_targets() {
	local o
	echo "${2:-arch/x86/entry/}" kernel/ security/
	for o in mnt_idmapping mnt_shift namei namespace open statfs; do
		[[ ! -f $1/fs/$o.c ]] || echo "fs/$o.o"
	done
}

# base_source: the base as it is without the series, in build/base
base_source() {
	[[ -d $BUILD/base ]] || git -C "$LINUX" worktree add -q --detach "$BUILD/base" base
	git -C "$BUILD/base" checkout -q --detach base
}

# base_kernel PATCHED OBJ: build the base's kernel, and its headers, in OBJ with the configuration of the one in PATCHED. It
# must be the same but for options that the base does not know.
base_kernel() {
	local options make
	make=(make -C "$BUILD/base" O="$2" -j"$(nproc)" ARCH="$KARCH" CC="$TOP/scripts/cc gcc" LOCALVERSION=)
	mkdir -p "$2"
	cp "$1/.config" "$2/.config"
	progress "configuring the base's kernel" "$BUILD/log/base.config.log" 0 "${make[@]}" olddefconfig
	options() { sed -n 's/^# \(CONFIG_.*\) is not set/\1=n/p; /^CONFIG_/p' "$1/.config" | sort; }
	options=$(comm -23 <(options "$2") <(options "$1") | xargs)
	[[ -z $options ]] || die "only the base's kernel has: $options" "see why olddefconfig makes a difference there"
	options=$(comm -13 <(options "$2") <(options "$1") | sed 's/^CONFIG_//' | xargs)
	say "one configuration; only the series knows: ${options:-nothing}"
	progress "building the base's kernel" "$BUILD/log/base.log" 0 "${make[@]}" "${IMAGE##*/}" headers
}
