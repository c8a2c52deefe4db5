#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mount_shift.sh - test mount-shift(8), as it is and as the helper of mount(8)
#
# usage: mount_shift.sh		on a kernel that can shift
#        mount_shift.sh old	on one that cannot: what the program does without
#        mount_shift.sh TEST...	only these
#
# Takes mount-shift from $MOUNT_SHIFT or from beside this script, and the mount,
# umount, unshare and nsenter of util-linux and the setfattr of attr from wherever
# they are: a small guest may have those of busybox under these names.

# shellcheck disable=SC2086 # lists of options

dir=$(dirname "$(readlink -f "$0")")
. "$dir/../../kselftest/ktap_helpers.sh"

# tool NAME VERSION: the path of the program that says so with --version
tool()
{
	for d in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin /bin /sbin; do
		case $("$d/$1" --version 2>/dev/null) in
		*"$2"*) echo "$d/$1" && return ;;
		esac
	done
	ktap_exit_fail_msg "there is no $1 of $2" >&2
}

# Everything happens in a mount namespace of its own, on a tmpfs, with an /etc and
# an /sbin that nobody else sees.
if [ -z "$MOUNT_SHIFT_TEST" ]; then
	ktap_print_header
	if [ "$(id -u)" != 0 ]; then
		ktap_skip_all "only root can mount"
		exit "$KSFT_SKIP"
	fi
	MOUNT_SHIFT=$(readlink -f "${MOUNT_SHIFT:-$dir/mount-shift}")
	[ -x "$MOUNT_SHIFT" ] || ktap_exit_fail_msg "there is no mount-shift"
	MOUNT=$(tool mount util-linux) || exit
	UMOUNT=$(tool umount util-linux) || exit
	UNSHARE=$(tool unshare util-linux) || exit
	NSENTER=$(tool nsenter util-linux) || exit
	SETFATTR=$(tool setfattr setfattr) || exit
	export MOUNT_SHIFT MOUNT UMOUNT UNSHARE NSENTER SETFATTR MOUNT_SHIFT_TEST=1
	exec "$UNSHARE" --mount --propagation private -- sh "$0" "$@"
fi

T=$(mktemp -d)
"$MOUNT" -t tmpfs -o mode=755 tmpfs "$T" || ktap_exit_fail_msg "no tmpfs"
cd "$T" || exit
containers=

cleanup()
{
	[ -z "$containers" ] || kill $containers
	cd / && "$UMOUNT" -l "$T" && rmdir "$T"
}
trap cleanup EXIT

mkdir etc sbin old-sbin
cp -a /etc/ld.so.* etc/ 2>/dev/null
printf '%s:x:%s:%s::/:/bin/sh\n' root 0 0 carol 70000 70000 >etc/passwd
printf '%s:x:%s:\n' root 0 staff 71000 >etc/group
printf '%s:%s:65536\n' alice 500000 bob 200000 >etc/subuid
printf '%s:%s:65536\n' alice 600000 >etc/subgid
"$MOUNT" --bind etc /etc
"$MOUNT" --bind /sbin old-sbin
"$MOUNT" -t tmpfs -o mode=755 tmpfs /sbin
for f in old-sbin/*; do ln -s "$T/$f" /sbin/; done
cp "$MOUNT_SHIFT" /sbin/mount.shift
ln -s mount.shift /sbin/mount-shift
PATH=/sbin:$PATH
CONF=/etc/mount-shift.conf

# run CMD...: its status, and its output in the files out and err
run()
{
	"$@" >"$T/out" 2>"$T/err"
	status=$?
	return "$status"
}

note()
{
	ktap_print_msg "$@"
	[ ! -s "$T/err" ] || sed 's/^/#   stderr: /' "$T/err"
	return 1
}

# works CMD...: without a complaint
works()
{
	run "$@" || note "status $status of: $*" || return
	[ ! -s "$T/err" ] || note "should be silent: $*"
}

# Of this mount namespace and of the last container's
mounts()
{
	cat /proc/self/mountinfo ${pid:+/proc/$pid/mountinfo}
}

# refuses STATUS TEXT CMD...: with one line, and nothing changes
refuses()
{
	want=$1 text=$2
	shift 2
	mounts >"$T/before"
	run "$@"
	mounts >"$T/after"
	[ "$status" = "$want" ] || note "status $status and not $want of: $*" || return
	[ "$(wc -l <"$T/err")" = 1 ] || note "not one line of error: $*" || return
	grep -q -- "$text" "$T/err" || note "the error should have \"$text\": $*" || return
	cmp -s "$T/before" "$T/after" || note "left something mounted: $*"
}

# warns TEXT CMD...: works, with a warning
warns()
{
	text=$1
	shift
	run "$@" || note "status $status of: $*" || return
	grep -q -- "warning: .*$text" "$T/err" || note "no warning of \"$text\": $*"
}

# info PATH: the fields of mountinfo for what is mounted there, the last if there are more
info()
{
	grep "^[0-9]* [0-9]* [^ ]* [^ ]* $T/$1 " /proc/self/mountinfo | tail -n 1
}

# has PATH WORD...: mountinfo has all these fields
has()
{
	line=$(info "$1")
	path=$1
	shift
	for word; do
		case " $line " in
		*" $word "*) ;;
		*) note "$path: no $word in: $line"; return 1 ;;
		esac
	done
}

nr_mounts()
{
	grep -c "^[0-9]* [0-9]* [^ ]* [^ ]* $T/$1 " /proc/self/mountinfo
}

owner()
{
	stat -c %u:%g "$1"
}

# is WHAT WANTED: compares
is()
{
	[ "$1" = "$2" ] || note "have \"$1\", want \"$2\""
}

# namespaces OPTION...: a process in new ones, its pid in $pid
namespaces()
{
	"$UNSHARE" "$@" --propagation private -- sleep 1000 </dev/null >/dev/null 2>&1 &
	pid=$!
	containers="$containers $pid"
	for i in 1 2 3 4 5 6 7 8 9 10 20 30 40 50 60; do
		[ "$(cat /proc/$pid/comm)" != sleep ] || return 0
		sleep "0.$i"
	done
	ktap_exit_fail_msg "no namespaces: $*"
}

# container FIRST [COUNT]: a container, its pid in $pid. It sees what is mounted now.
container()
{
	namespaces --user --mount
	echo "0 $1 ${2:-65536}" >/proc/$pid/uid_map
	echo "0 $1 ${2:-65536}" >/proc/$pid/gid_map
}

# within PID CMD...: as root of that container
within()
{
	c=$1
	shift
	"$NSENTER" -t "$c" -U -m -S 0 -G 0 -- "$@"
}

# image NAME: a directory with files of origin 100000, and one that is not of it
image()
{
	mkdir -p "$1/sub"
	echo data >"$1/file"
	echo host >"$1/foreign"
	chown 100000:100000 "$1" "$1/sub"
	chown 100007:100008 "$1/file"
	chmod 755 "$1" "$1/sub"
}

mkdir mnt mnt2
image g1
image g2
image g3
BY="--bind --mark-shiftable-by 200000"
MARK="$BY --origin-uid 100000"
DIRECT="--bind --origin-uid 100000"
OTHER="--bind --mark-shiftable-by 300000 --origin-uid 100000"
SHIFT="mount-shift --bind --shift"

# mark [OPTION...] SRC [DST]: for the container that the tests have most often
mark()
{
	works mount-shift $MARK "$@"
}

# What the thread asked for: the host marks, the container shifts, and files lie at the origin.
t_thread()
{
	mark g1 || return
	has g1 shiftable:100000:100000:65536 shiftable_by:200000 || return
	container 200000
	works within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	is "$(within "$pid" stat -c %u:%g "$T/mnt/file")" 7:8 || return
	is "$(within "$pid" stat -c %u:%g "$T/mnt/foreign")" 65534:65534 || return
	works within "$pid" touch "$T/mnt/new" || return
	is "$(owner g1/new)" 100000:100000
}

# The same by mount(8), which passes the helper what it was told; the shift is nodev.
t_mount()
{
	works "$MOUNT" -t shift -o mark,origin-uid=100000,by=200000 g1 g1 || return
	has g1 shiftable:100000:100000:65536 shiftable_by:200000 || return
	container 200000
	works within "$pid" "$MOUNT" -t shift "$T/g1" "$T/mnt" || return
	within "$pid" cat /proc/self/mountinfo | grep " $T/mnt " >out
	grep -q ' rw,nodev,.*idmapped.* shifted ' out || note "$(cat out)" || return
	works within "$pid" sh -c "echo x >$T/mnt/new2" || return
	is "$(owner g1/new2)" 100000:100000 || return
	works within "$pid" "$UMOUNT" "$T/mnt" || return
	works "$UMOUNT" g1
}

# A container may put it over the marked mount itself, and may say so twice.
t_over_itself()
{
	mark g1 || return
	container 200000
	works within "$pid" $SHIFT "$T/g1" "$T/g1" || return
	works within "$pid" $SHIFT "$T/g1" "$T/g1" || return
	is "$(within "$pid" stat -c %u:%g "$T/g1/file")" 7:8 || return
	is "$(within "$pid" grep -c " $T/g1 .* shifted " /proc/self/mountinfo)" 1
}

# What is shifted cannot be shifted again, nor marked by the container.
t_again()
{
	mark g1 || return
	container 200000
	works within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	refuses 32 "shifted or idmapped already" within "$pid" $SHIFT "$T/mnt" \
		"$T/mnt2" || return
	refuses 32 "shifted or idmapped already" within "$pid" "$MOUNT" -t shift "$T/mnt/sub" \
		"$T/mnt2" || return
	refuses 32 "do it on the host" within "$pid" mount-shift --bind --mark-shiftable-by 0 \
		--origin-uid 100000 "$T/mnt" "$T/mnt2"
}

# The mark admits one container: not another one, not the host, not one inside of it.
t_others()
{
	mark g1 || return
	container 300000
	refuses 32 "admits only the container whose root is uid .* yours is uid 300000" \
		within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	is "$(within "$pid" grep -c " $T/mnt " /proc/self/mountinfo)" 0 || return
	refuses 32 "a mark is for containers" $SHIFT g1 mnt || return
	# user 1000 of the container that it is for, with a namespace of his own
	container 200000
	refuses 32 "admits only" "$NSENTER" -t "$pid" -U -m -S 1000 -G 1000 -- "$UNSHARE" \
		--user --map-root-user --mount --propagation private -- \
		$SHIFT "$T/g1" "$T/mnt"
}

t_unmarked()
{
	container 200000
	refuses 32 "not on a shiftable mount" within "$pid" "$MOUNT" -t shift "$T/g2" "$T/mnt"
}

# A container is not the one to mark, to unmark or to choose an origin.
t_container_marks()
{
	mark g1 || return
	container 200000
	refuses 32 "do it on the host" within "$pid" mount-shift --bind --mark-shiftable-by 0 \
		--origin-uid 100000 "$T/g2" || return
	refuses 32 "do it on the host" within "$pid" mount-shift --unmark "$T/g1" || return
	refuses 32 "do it on the host" within "$pid" mount-shift --revoke "$T/g1" || return
	refuses 1 "an origin is for" within "$pid" "$MOUNT" -t shift -o origin=0 "$T/g1" "$T/mnt" ||
		return
	refuses 32 "or you are in a container" within "$pid" mount-shift $DIRECT \
		--shift /proc/self/ns/user "$T/g1" "$T/mnt"
}

# Marked twice the same way is done already, otherwise it takes replace.
t_twice()
{
	mark g1 || return
	mark g1 || return
	is "$(nr_mounts g1)" 1 || return
	refuses 32 "marked already" mount-shift $OTHER g1 || return
	works mount-shift $OTHER --replace g1 || return
	has g1 shiftable_by:300000 || return
	works "$MOUNT" -t shift -o mark,replace,origin=100000,count=1000,by=200000 g1 g1 || return
	has g1 shiftable:100000:100000:1000 shiftable_by:200000 || return
	is "$(nr_mounts g1)" 1
}

# One directory for two containers: another mount with another mark, of the marked one.
t_elsewhere()
{
	mark g1 || return
	works mount-shift $OTHER --origin-gid 200000 \
		--origin-count 4096 g1 mnt || return
	has mnt shiftable:100000:200000:4096 shiftable_by:300000 || return
	has g1 shiftable_by:200000 || return
	works "$UMOUNT" mnt
}

# After unmark no new container gets in; after revoke none that has a copy of the mark.
t_unmark()
{
	mark g1 || return
	container 200000
	works mount-shift --unmark g1 || return
	is "$(info g1 | grep -c shiftable)" 0 || return
	works within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	mark g1 || return
	container 200000
	works "$MOUNT" -t shift -o revoke none g1 || return
	refuses 32 "revoked" within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	works "$UMOUNT" g1 || return
	refuses 32 "not a mount point" mount-shift --unmark g1
}

# Lines of fstab and mount -a, on the host and in the container, also a second time.
t_fstab()
{
	{
		echo "$T/g1 $T/g1 shift mark,origin-uid=100000,by=200000,nofail 0 0"
		echo "$T/g2 $T/mnt2 shift mark,origin=100000,by=any,ro,noatime,x-a.b,_netdev 0 0"
		echo "$T/g3 $T/g3 shift defaults,noauto,mark,origin-uid=100000,by=200000 0 0"
	} >/etc/fstab
	works "$MOUNT" -a || return
	works "$MOUNT" -a || return
	has g1 shiftable:100000:100000:65536 shiftable_by:200000 || return
	has mnt2 ro,noatime shiftable_by:any || return
	is "$(nr_mounts g1):$(nr_mounts mnt2):$(nr_mounts g3)" 1:1:0 || return
	works "$MOUNT" g3 || return
	has g3 shiftable_by:200000 || return

	{
		echo "$T/g1 $T/mnt shift defaults,nofail 0 0"
		echo "$T/mnt2 $T/mnt2 shift nosuid,noexec 0 0"
	} >/etc/fstab
	container 200000
	works within "$pid" "$MOUNT" -a || return
	works within "$pid" "$MOUNT" -a || return
	is "$(within "$pid" grep -c " $T/mnt2 .*shifted " /proc/self/mountinfo)" 1 || return
	is "$(within "$pid" stat -c %u:%g "$T/mnt/file" "$T/mnt2/file" | xargs)" "7:8 7:8" || return
	within "$pid" grep -q " $T/mnt2 ro,nosuid,nodev,noexec,noatime,idmapped .*shifted " \
		/proc/self/mountinfo ||
		note "$(within "$pid" grep " $T/mnt2 " /proc/self/mountinfo)" || return
	rm /etc/fstab
}

# What the marked mount has stays, also for whoever asks for the opposite.
t_restrictions()
{
	works "$MOUNT" -t shift -o mark,origin-uid=100000,by=200000,ro,nosuid g1 g1 || return
	container 200000
	works within "$pid" "$MOUNT" -t shift -o rw "$T/g1" "$T/mnt" || return
	within "$pid" grep -q " $T/mnt ro,nosuid,nodev,.* shifted " /proc/self/mountinfo ||
		note "not ro,nosuid,nodev" || return
	refuses 32 "neither dev nor what the marked mount forbids" \
		within "$pid" $SHIFT -o suid "$T/g1" "$T/mnt2" || return
	refuses 32 "neither dev nor what the marked mount forbids" \
		within "$pid" $SHIFT -o dev "$T/g1" "$T/mnt2" || return
	works "$UMOUNT" g1 || return

	# The host may have a mark with less than what it lies on.
	works "$MOUNT" --bind g1 g1 && works "$MOUNT" -o remount,bind,nosuid,nodev g1 || return
	mark -o suid g1 mnt || return
	has mnt rw,nodev,relatime shiftable_by:200000 || return
	works "$UMOUNT" mnt && works "$UMOUNT" g1
}

# The files can be where only root of the host gets to: the mark is what containers see.
t_private()
{
	mkdir private
	chmod 700 private
	image private/g
	mark private/g mnt || return
	container 200000
	run within "$pid" stat "$T/private/g" && note "not private" && return 1
	works within "$pid" "$MOUNT" -t shift "$T/mnt" "$T/mnt2" || return
	works within "$pid" touch "$T/mnt2/new" || return
	is "$(owner private/g/new)" 100000:100000
}

# by=any: every container shares the files, each by its own ids.
t_any()
{
	works mount-shift --bind --mark-shiftable-any --origin-uid 100000 g1 || return
	has g1 shiftable_by:any || return
	container 300000
	works within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	works within "$pid" sh -c "echo 300 >$T/mnt/shared" || return
	container 200000
	works within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	works within "$pid" sh -c "echo 200 >>$T/mnt/shared" || return
	is "$(owner g1/shared) $(xargs <g1/shared)" "100000:100000 300 200" || return
	works "$UMOUNT" g1
}

# With a mount below: only rbind takes it along.
t_rbind()
{
	works "$MOUNT" -t tmpfs -o mode=755 tmpfs g1/sub || return
	touch g1/sub/f && chown 100003 g1/sub/f
	works mount-shift --rbind --mark-shiftable-by 200000 --origin-uid 100000 g1 mnt || return
	has mnt/sub shiftable_by:200000 || return
	container 200000
	refuses 32 "needs rbind" within "$pid" $SHIFT "$T/mnt" "$T/mnt2" || return
	works within "$pid" mount-shift --rbind --shift "$T/mnt" "$T/mnt2" || return
	is "$(within "$pid" stat -c %u "$T/mnt2/sub/f")" 3 || return
	works "$UMOUNT" -R mnt && works "$UMOUNT" g1/sub
}

# The host shifts into a container that it names, by path or process.
t_direct()
{
	container 200000
	works "$MOUNT" -f -t shift -o "userns=$pid,origin-uid=100000" g1 mnt || return
	is "$(nr_mounts mnt)" 0 || return
	works mount-shift $DIRECT --shift "/proc/$pid/ns/user" g1 mnt || return
	is "$(owner mnt/file)" 200007:200008 || return
	has mnt rw,relatime,idmapped shifted || return
	works "$UMOUNT" mnt || return
	works "$MOUNT" -t shift -o "shift=/proc/$pid/ns/user,origin-uid=100000,ro" g1 mnt ||
		return
	is "$(owner mnt/file)" 200007:200008 || return
	works "$UMOUNT" mnt || return
	warns "131056 uids and gids" "$MOUNT" -t shift -o "userns=$pid,origin=100000,count=8" \
		g1 mnt || return
	is "$(owner mnt/file)" 200007:65534 || return
	has mnt shifted || return
	works "$UMOUNT" mnt
}

# Ids of the container that are beyond the origin are told of, or refused.
t_direct_count()
{
	container 200000 65537
	warns "2 uids and gids" mount-shift $DIRECT --shift "$pid" g1 mnt ||
		return
	is "$(owner mnt/file)" 200007:200008 || return
	has mnt shifted || return
	works "$UMOUNT" mnt || return
	works mount-shift $DIRECT --origin-count all --shift "$pid" g1 mnt ||
		return
	works "$UMOUNT" mnt || return
	refuses 32 "do not fit" mount-shift --bind --origin-uid 4294960000 --origin-count all \
		--shift "$pid" g1 mnt
}

# The origin as a user namespace
t_shift_origin()
{
	container 100000
	origin=$pid
	container 200000
	works mount-shift --bind --shift-origin "/proc/$origin/ns/user" \
		--shift-target "/proc/$pid/ns/user" g1 mnt || return
	is "$(owner mnt/file)" 200007:200008 || return
	works "$UMOUNT" mnt || return

	namespaces --user
	printf '%s\n' "8 100008 1" "0 100000 8" >/proc/$pid/uid_map
	printf '%s\n' "8 100008 1" "0 100000 8" >/proc/$pid/gid_map
	works mount-shift $BY --shift-origin "$pid" g1 || return
	has g1 shiftable:userns shiftable_by:200000 || return
	works mount-shift --list || return
	grep -q "/g1 shiftable origin=userns by=200000 " out || note "$(cat out)" || return
	container 200000
	works within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	is "$(within "$pid" stat -c %u:%g "$T/mnt/file")" 7:8 || return
	works "$UMOUNT" g1
}

t_list()
{
	mkdir -p "a b"
	mark -o ro,nosuid g1 \
		"a b" || return
	container 200000
	works mount-shift $DIRECT --shift "$pid" g1 mnt || return
	works mount-shift --list || return
	cp out list
	want="origin=100000:100000:65536 by=200000 attrs=ro,nosuid,relatime"
	grep -qx -- "$T/a\\\\040b shiftable $want" list || note "$(cat list)" || return
	want="uids=100000:200000:65536 gids=100000:200000:65536 attrs=rw,relatime"
	grep -qx -- "$T/mnt shifted $want" list || note "$(cat list)" || return
	is "$(wc -l <list)" 2 || return

	# The container's root is who may shift, there it is 0.
	works within "$pid" mount-shift --list || return
	grep -q "by=0 " out || note "$(cat out)" || return
	works "$NSENTER" -t $$ -m -S 1000 -G 1000 -- mount-shift --list || return
	is "$(wc -l <out)" 2 || return
	works "$UMOUNT" "a b" && works "$UMOUNT" mnt
}

# Who gives no origin gets the one of the configuration, if only root can write it.
t_default_origin()
{
	refuses 1 "no origin" mount-shift $BY g1 || return
	printf '# packaged\n\norigin-uid=2147352576\n' >$CONF
	works mount-shift $BY g1 || return
	has g1 shiftable:2147352576:2147352576:65536 || return
	works "$UMOUNT" g1 || return
	printf 'origin-uid=100000\norigin-gid=110000\norigin-count=5000\n' >$CONF
	works "$MOUNT" -t shift -o mark,by=200000,count=6000 g1 g1 || return
	has g1 shiftable:100000:110000:6000 || return
	works "$UMOUNT" g1 || return
	works mount-shift $BY --origin-uid 120000 g1 || return
	has g1 shiftable:120000:120000:65536 || return
	works "$UMOUNT" g1 || return
	echo origin-uid=130000 >conf
	works env MOUNT_SHIFT_CONF="$T/conf" mount-shift $BY "$T/g1" || return
	has g1 shiftable:130000:130000:65536 || return
	works "$UMOUNT" g1 || return

	for line in origin-uid=x origin-uid= origin=1 uid=5 nonsense persist=relative; do
		echo "$line" >$CONF
		refuses 1 "" mount-shift $BY g1 || return
	done
	echo origin-uid=100000 >$CONF
	chmod 666 $CONF
	refuses 2 "writable by nobody else" mount-shift $BY g1 || return
	chmod 644 $CONF
	chown 1000 $CONF
	refuses 2 "must belong to root" mount-shift $BY g1 || return
	rm $CONF
}

# A permanent mark comes back at the next boot as it was, from the places that root named.
t_persist()
{
	mark --persist -o ro,nosuid g1 || return
	has g1 ro,nosuid,relatime shiftable:100000:100000:65536 || return
	works "$UMOUNT" g1 || return
	works mount-shift --restore || return
	is "$(nr_mounts g1)" 0 || return
	works mount-shift --restore g1 || return
	has g1 ro,nosuid,relatime shiftable:100000:100000:65536 shiftable_by:200000 || return
	works mount-shift --restore g1 || return
	is "$(nr_mounts g1)" 1 || return

	# A mark that fails is not noted down either, and leaves the old note alone.
	refuses 32 "marked already" mount-shift $OTHER \
		--persist g1 || return
	works "$UMOUNT" g1 || return

	printf 'origin-uid=5\npersist=%s\npersist=%s\n' "$T/g1" "$T/g2" >$CONF
	refuses_some 64 "g2 has no permanent mark" mount-shift --restore || return
	has g1 ro,nosuid,relatime shiftable:100000:100000:65536 shiftable_by:200000 || return
	rm $CONF

	# unmark and umount leave it, unless told otherwise
	warns "permanent mark" mount-shift --unmark g1 || return
	works mount-shift --unmark --persist g1 || return
	works "$UMOUNT" g1 || return
	refuses 32 "no permanent mark" mount-shift --restore g1
}

refuses_some()
{
	want=$1 text=$2
	shift 2
	run "$@"
	is "$status" "$want" || return
	grep -q -- "$text" err || note "no $text"
}

# Nobody can have a mark restored that root did not mean: forged, elsewhere, or by a link.
t_forged()
{
	mark --persist g1 || return
	works "$UMOUNT" g1 || return
	ln -s g1 link
	mkdir -p up/dir
	ln -s up up2
	refuses 32 "may be none" mount-shift --restore link || return
	refuses 32 "may be none" mount-shift --restore up2/dir || return
	works mount-shift --restore g1 || return
	works mount-shift --unmark --persist g1 || return
	works "$UMOUNT" g1 || return
	for value in "v2 origin-uid=100000" "v1 origin-uid=0,origin-gid=0,origin-count=9,by=any" \
		"v1 origin-uid=5,origin-gid=0,origin-count=9,by=any" \
		"v1 origin-uid=5,origin-gid=5,by=any" \
		"v1 origin-uid=5,origin-gid=5,origin-count=all,by=any" \
		"v1 origin-uid=5,origin-gid=5,origin-count=9" "v1 " "" "nonsense" \
		"v1 origin-uid=5,origin-gid=5,origin-count=9,by=any,force" \
		"v1 origin-uid=5,origin-gid=5,origin-count=9,by=any,shift=/proc/1/ns/user" \
		"v1 origin-uid=5,origin-gid=5,origin-count=9,by=any,x-unknown" \
		"v1 origin-uid=4294967290,origin-gid=5,origin-count=9,by=any"; do
		"$SETFATTR" -n trusted.shift -v "$value" g1 || return
		refuses 32 "" mount-shift --restore g1 || return
	done
	"$SETFATTR" -x trusted.shift g1
}

# Without numbers that last, or with id 0, a mark is not made permanent, and no half of it.
t_persist_refused()
{
	container 100000
	refuses 1 "persist is for marks" mount-shift $BY \
		--shift-origin "$pid" --persist g1 || return
	refuses 1 "persist: not for an origin with id 0" mount-shift $BY \
		--origin-uid 0 --persist g1 || return
	refuses 1 "persist is for marks" $SHIFT --persist g1 mnt || return
	refuses 1 "in place" mount-shift $MARK --persist g1 mnt || return
	# /proc has no such attributes, nor idmapped mounts
	refuses 32 "" mount-shift $MARK --persist \
		/proc/sys || return
	refuses 32 "no permanent mark" mount-shift --restore g1
}

# Whose ids the origin is already
t_overlap()
{
	refuses 1 "uids 450000-515535 overlap ids of alice in /etc/subuid" mount-shift $BY \
		--origin-uid 450000 g1 || return
	refuses 1 "gids 600001-665536 overlap ids of alice in /etc/subgid" mount-shift $BY \
		--origin-uid 100000 --origin-gid 600001 g1 || return
	works mount-shift $BY --origin-uid 434464 g1 || return
	works "$UMOUNT" g1 || return
	works mount-shift $BY --origin-uid 565536 --origin-gid 534464 g1 || return
	works "$UMOUNT" g1 || return
	warns "overlap ids of alice" mount-shift $BY --force --origin-uid 500000 g1 || return
	works "$UMOUNT" g1 || return
	warns "overlap ids of alice" "$MOUNT" -t shift -o mark,by=any,origin=500000,force g1 g1 ||
		return
	works "$UMOUNT" g1 || return
	# the container is bob's, and so are these
	warns "overlap ids of bob" mount-shift $BY --origin-uid 210000 g1 || return
	grep -q "overlap the container's own" err || note "no own ids" || return
	works "$UMOUNT" g1 || return
	warns "uids 65536-131071 include the one of carol in /etc/passwd" mount-shift $BY \
		--origin-uid 65536 g1 || return
	grep -q "gids 65536-131071 include the one of staff in /etc/group" err ||
		note "no group" || return
	works "$UMOUNT" g1 || return
	warns "uid 0, so" mount-shift $BY --origin-uid 0 g1 || return
	works "$UMOUNT" g1 || return
	refuses 1 "overlap ids of alice" mount-shift --bind --mark-shiftable-any \
		--origin-uid 500000 g1 || return
	# who is the container's root is known here, too
	container 200000
	refuses 1 "overlap ids of alice" mount-shift --bind --origin-uid 500000 --shift "$pid" g1 \
	mnt || return
	warns "overlap ids of bob" mount-shift --bind --origin-uid 200000 --shift "$pid" g1 mnt ||
	return
	works "$UMOUNT" mnt
}

# What mount(8) passes, and how it wants its helpers to take it
t_helper()
{
	opts=mark,origin-uid=100000,by=200000
	works "$MOUNT" -f -t shift -o $opts g1 g1 || return
	is "$(nr_mounts g1)" 0 || return
	refuses 1 "unknown option \"frob\"" "$MOUNT" -t shift -o $opts,frob=1 g1 g1 || return
	works "$MOUNT" -s -t shift -o $opts,frob=1 g1 g1 || return
	works "$UMOUNT" g1 || return
	works "$MOUNT" -n -t shift \
		-o "$opts,defaults,nofail,_netdev,noauto,comment=a,x-a=b,X-c,nouser" \
		g1 g1 || return
	has g1 rw,relatime || return
	works "$UMOUNT" g1 || return
	works "$MOUNT" -t shift -o "user,exec,$opts" g1 g1 || return
	has g1 rw,nosuid,nodev,relatime || return
	works "$UMOUNT" g1 || return
	works "$MOUNT" -v -t shift -o "$opts" g1 g1 || return
	grep -q "g1 is shiftable, origin=100000:100000:65536 by=200000" out ||
		note "$(cat out)" || return
	works "$UMOUNT" g1 || return
	works /sbin/mount.shift "$T/g1" "$T/g1" -n -v -o "rw,$opts" -t shift.sub || return
	works "$UMOUNT" g1 || return
	( cd g1 && works "$MOUNT" -t shift -o $opts . ../mnt ) || return
	has mnt shiftable_by:200000 || return
	works "$UMOUNT" mnt || return

	# In another mount namespace
	namespaces --mount
	works "$MOUNT" -N "$pid" -t shift -o $opts "$T/g1" "$T/g1" || return
	is "$(nr_mounts g1)" 0 || return
	grep -q " $T/g1 .*shiftable_by:200000" /proc/$pid/mountinfo || note "not there"
}

# A file is as good as a directory, and what is at the end of a link is meant.
t_file()
{
	touch target
	ln -sf g1/file flink
	mark flink || return
	has g1/file shiftable_by:200000 || return
	container 200000
	works within "$pid" $SHIFT "$T/flink" "$T/target" || return
	is "$(within "$pid" stat -c %u:%g "$T/target")" 7:8 || return
	works "$UMOUNT" g1/file
}

t_nobody()
{
	nobody="$NSENTER -t $$ -m -S 1000 -G 1000 --"
	refuses 1 "only root" $nobody mount-shift $MARK "$T/g1" || return
	refuses 1 "only root" $nobody $SHIFT "$T/g1" "$T/mnt"
}

# Nonsense: one line says what is wrong, and nothing is mounted. Status, text, arguments
t_nonsense()
{
	while read -r want text args; do
		case $want in ''|'#'*) continue ;; esac
		text=$(echo "$text" | tr _ ' ')
		refuses "$want" "$text" mount-shift $args || return
	done <<-END
		1 what_is_to_be_done
		1 what_is_to_be_done --bind g1 mnt
		1 unrecognized_option --frobnicate
		1 ambiguous --bind --mark-shiftable --origin-uid 1 g1
		1 requires_an_argument g1 --origin-uid
		1 too_few_paths $BY --origin-uid 100000
		1 too_few_paths --bind --shift g1
		1 too_few_paths --unmark
		1 too_many_paths $BY --origin-uid 100000 g1 mnt mnt2
		1 too_many_paths --unmark g1 g2
		1 too_many_paths --list g1
		1 too_many_paths --bind --shift /proc/self/ns/user --shift g1 g2 mnt
		1 origin-uid:_"-1" $BY --origin-uid -1 g1
		1 origin-uid:_"4294967295" $BY --origin-uid 4294967295 g1
		1 origin-uid:_"4294967296" $BY --origin-uid 4294967296 g1
		1 origin-uid:_"99999999999999999999" $BY --origin-uid 99999999999999999999 g1
		1 origin-uid:_"+1" $BY --origin-uid +1 g1
		1 origin-uid:_"1x" $BY --origin-uid 1x g1
		1 origin-uid:_"0x10" $BY --origin-uid 0x10 g1
		1 origin-uid:_"root" $BY --origin-uid root g1
		1 origin-gid:_"x" $BY --origin-uid 100000 --origin-gid x g1
		1 origin-count:_"0" $BY --origin-uid 100000 --origin-count 0 g1
		1 origin-count:_"-5" $BY --origin-uid 100000 --origin-count -5 g1
		1 a_mark_needs_a_number $BY --origin-uid 100000 --origin-count all g1
		1 there_are_no_65536_ids $BY --origin-uid 4294901760 g1
		1 there_are_no_65536_ids $BY --origin-uid 100000 --origin-gid 4294901760 g1
		1 there_are_no_4294967294 $BY --origin-uid 2 --origin-count 4294967294 g1
		1 by:_"4294967295" --bind --mark-shiftable-by 4294967295 --origin-uid 100000 g1
		1 by:_"-1" --bind --mark-shiftable-by -1 --origin-uid 100000 g1
		1 by:_"alice" --bind --mark-shiftable-by alice --origin-uid 100000 g1
		1 exclude_each_other $BY --origin-uid 100000 --shift g1 mnt
		1 exclude_each_other $BY --origin-uid 100000 --unmark g1
		1 exclude_each_other --list --restore
		1 exclude_each_other $BY --origin-uid 100000 --shift-origin /proc/self/ns/user g1
		1 an_origin_is_for --bind --shift --origin-uid 1 g1 mnt
		1 an_origin_is_for --unmark --origin-uid 1 g1
		1 an_origin_is_for --bind --shift --shift-origin /proc/self/ns/user g1 mnt
		1 not_for_an_origin_with_id_0 --bind --mark-shiftable-any --origin-uid 0 g1
		1 not_for_an_origin_with_id_0 -o mark,by=any,origin=5 --origin-gid 0 g1
		1 by_and_replace --bind --shift --replace g1 mnt
		1 for_whom? --bind -o mark --origin-uid 1 g1
		1 by:_the_value_is_empty -o mark,by= --origin-uid 1 g1
		1 needs_a_value -o mark,by,origin-uid=1 g1
		1 takes_no_value -o mark=1,by=any,origin-uid=1 g1
		1 takes_no_value -o mark,by=any,origin-uid=1,ro=1 g1
		1 unknown_option -o mark,by=any,origin-uid=1,remount g1
		1 no_origin $BY g1
		32 No_such_file $BY --origin-uid 100000 nowhere
		32 No_such_file $BY --origin-uid 100000 g1 nowhere
		32 Not_a_directory $BY --origin-uid 100000 g1/file/x
		32 No_such_file --unmark nowhere
		32 No_such_file --bind --origin-uid 1 --shift /proc/99999999/ns/user g1 mnt
		32 No_such_file --bind --origin-uid 1 --shift 99999999 g1 mnt
		32 one_of_.*_is_a_directory $BY --origin-uid 100000 g1 g1/file
		32 one_of_.*_is_a_directory $BY --origin-uid 100000 g1/file mnt
	END
}

# The same for mount(8), whose helper gets the paths made absolute
t_nonsense_mount()
{
	while read -r want text opts src dst; do
		text=$(echo "$text" | tr _ ' ')
		refuses "$want" "$text" "$MOUNT" -t shift -o "$opts" "$src" "$dst" || return
	done <<-END
		1 for_whom? mark,origin-uid=100000 g1 g1
		1 no_origin mark,by=any g1 g1
		1 exclude_each_other mark,unmark,origin-uid=100000 g1 g1
		1 origin:_"x" mark,by=any,origin=x g1 g1
		1 count:_"0" mark,by=any,origin=1,count=0 g1 g1
		1 an_origin_is_for origin=100000 g1 mnt
		1 not_for_an_origin mark,by=5,origin=0,persist g1 g1
		32 nowhere mark,by=any,origin=100000 nowhere mnt
		32 nowhere mark,by=any,origin=100000 g1 nowhere
	END
}

# What the kernel has against it, in the words of whoever has to do something about it
t_kernel_refuses()
{
	container 200000
	refuses 32 "type proc cannot be idmapped" mount-shift $MARK /proc/sys mnt || return
	refuses 1 "is a namespace" $SHIFT /proc/self/ns/user /etc/passwd || return
	refuses 32 "the namespace is the initial one" mount-shift $DIRECT \
		--shift /proc/self/ns/user g1 mnt || return
	refuses 32 "is not a user namespace" mount-shift $DIRECT \
		--shift /etc/passwd g1 mnt || return
	refuses 32 "is not a user namespace" mount-shift $DIRECT \
		--shift /proc/self/ns/mnt g1 mnt || return
	works mount-shift $DIRECT --shift "$pid" g1 mnt || return
	refuses 32 "it is idmapped" mount-shift $MARK mnt || return
	# Root of the host may begin again, from the ids in the filesystem.
	works mount-shift --bind --origin-uid 100001 --shift "$pid" mnt mnt2 || return
	is "$(owner mnt2/file)" 200006:200007 || return
	works "$UMOUNT" mnt2 && works "$UMOUNT" mnt || return
	works mount-shift --bind --mark-shiftable-any --origin-uid 100000 g1 || return
	namespaces --user --mount
	# an interior id past the end of the origin, alone
	echo "0 900000 1" >/proc/$pid/uid_map
	echo "70000 900000 1" >/proc/$pid/gid_map
	refuses 32 "no uid, or no gid" "$NSENTER" -t $pid -U -m -S 0 -G 70000 -- \
		$SHIFT "$T/g1" "$T/mnt" || return
	works "$UMOUNT" g1
}

# Without support in the kernel, the direct form has the same effect; nothing else is done.
t_old_direct()
{
	container 200000
	works mount-shift $DIRECT --shift "/proc/$pid/ns/user" g1 mnt || return
	is "$(owner mnt/file) $(owner mnt/foreign)" "200007:200008 65534:65534" || return
	has mnt rw,relatime,idmapped || return
	works "$UMOUNT" mnt || return
	warns "131056 uids and gids" "$MOUNT" -t shift \
		-o "userns=$pid,origin=100000,count=8,ro,nosuid" g1 mnt || return
	is "$(owner mnt/file)" 200007:65534 || return
	has mnt ro,nosuid,relatime,idmapped || return
	works "$UMOUNT" mnt || return
	container 200000 65537
	warns "uids and gids of the container" mount-shift $DIRECT --origin-gid 100001 \
		--shift "$pid" g1 mnt || return
	is "$(owner mnt/file)" 200007:200007 || return
	works "$UMOUNT" mnt || return
	works mount-shift $DIRECT --origin-count all --shift "$pid" g1 mnt ||
		return
	works "$UMOUNT" mnt || return
	works "$MOUNT" -t tmpfs none g1/sub || return
	works mount-shift --rbind --origin-uid 100000 --origin-count all --shift "$pid" g1 mnt ||
		return
	has mnt/sub rw,relatime,idmapped || return
	works "$UMOUNT" -R mnt && works "$UMOUNT" g1/sub
}

# The map of the container in several pieces, out of order
t_old_pieces()
{
	namespaces --user --mount
	printf '%s\n' "5 200005 5" "100 300000 1" "0 210000 5" >/proc/$pid/uid_map
	printf '%s\n' "8 220000 1" >/proc/$pid/gid_map
	warns "1 uids and gids" mount-shift $DIRECT --origin-count 50 --shift "$pid" g1 mnt ||
		return
	is "$(owner mnt/file) $(owner mnt/sub)" "200007:220000 210000:65534" || return
	works "$UMOUNT" mnt
}

t_old_others()
{
	missing="no shiftable mounts"
	container 100000
	refuses 32 "$missing" mount-shift $MARK g1 || return
	refuses 32 "$missing" "$MOUNT" -t shift -o mark,origin-uid=100000,by=200000 g1 g1 ||
		return
	refuses 32 "$missing" mount-shift $MARK --persist g1 || return
	refuses 32 "$missing" mount-shift --restore g1 || return
	refuses 32 "$missing" mount-shift --unmark g1 || return
	refuses 32 "$missing" mount-shift --revoke g1 || return
	refuses 32 "$missing" mount-shift --list || return
	refuses 32 "$missing" within "$pid" $SHIFT "$T/g1" "$T/mnt" || return
	refuses 32 "$missing" within "$pid" "$MOUNT" -t shift "$T/g1" "$T/mnt" || return
	refuses 32 "$missing" mount-shift --bind --shift-origin "$pid" --shift-target "$pid" g1 \
		mnt || return
	refuses 32 "no id of the user namespace" mount-shift $DIRECT \
		--shift /proc/self/ns/user g1 mnt || return
	refuses 32 "cannot be idmapped" mount-shift --bind --origin-uid 300000 --shift "$pid" \
		/proc mnt
}

case $1 in
'') tests='thread over_itself again others unmarked container_marks twice elsewhere unmark
	mount fstab restrictions private any rbind direct direct_count shift_origin list
	default_origin persist forged
	persist_refused overlap helper file nobody nonsense nonsense_mount kernel_refuses' ;;
old) tests='old_direct old_pieces old_others nonsense nonsense_mount' ;;
*) tests=$* ;;
esac

set -- $tests
ktap_set_plan $#
for t; do
	: >err
	ktap_test_result "$t" "t_$t"
	# What a test leaves is not for the next one.
	rm -f $CONF /etc/fstab
	for d in g1/sub g1/file g1 g2 g3 mnt mnt2; do
		while "$UMOUNT" -l "$d" 2>/dev/null; do :; done
	done
done
ktap_finished
