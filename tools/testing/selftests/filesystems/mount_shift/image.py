#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Writes a tar archive to standard output: what filesystems_test runs on. Owners,
# device nodes and extended attributes need no privilege this way.
#
# usage: image.py PROGRAM

import io
import struct
import sys
import tarfile

ORIGINS = (0, 100000)
COUNT = 65536
ABOVE = COUNT           # the first id that does not belong to the origin

CAP_NET_RAW = 13
VFS_CAP_REVISION_2 = 0x02000000
VFS_CAP_REVISION_3 = 0x03000000
VFS_CAP_FLAGS_EFFECTIVE = 0x000001

with open(sys.argv[1], "rb") as f:
    PROGRAM = f.read()


def capability(revision, *rootid):
    """The value of security.capability, for CAP_NET_RAW alone"""
    return struct.pack("<IIIII" + "I" * len(rootid),
                       revision | VFS_CAP_FLAGS_EFFECTIVE,
                       1 << CAP_NET_RAW, 0, 0, 0, *rootid)


def record(key, value):
    """A line of a pax header. It begins with its own length, all included."""
    rest = b" SCHILY.xattr." + key.encode() + b"=" + value + b"\n"
    size = len(rest)
    while len(str(size)) + len(rest) != size:
        size = len(str(size)) + len(rest)
    return str(size).encode() + rest


def add(archive, name, mode, uid, gid, data=b"", xattrs=None, **what):
    # tarfile knows only text, and a capability is none.
    if xattrs:
        header = b"".join(record(*item) for item in xattrs.items())
        info = tarfile.TarInfo(name)
        info.type = tarfile.XHDTYPE
        info.size = len(header)
        archive.addfile(info, io.BytesIO(header))

    info = tarfile.TarInfo(name)
    info.mode = mode
    info.uid = uid
    info.gid = gid
    info.size = len(data)
    for key, value in what.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def tree(archive, origin):
    def at(name, mode, uid, data=b"", gid=None, **more):
        gid = uid if gid is None else gid
        add(archive, f"{origin}/{name}", mode, origin + uid, origin + gid,
            data, **more)

    at("", 0o755, 0, type=tarfile.DIRTYPE)
    at("file", 0o640, 1000, b"file\n", xattrs={"user.image": b"u"})
    at("labelled", 0o640, 1000, xattrs={
        "security.image": b"s",
        "trusted.image": b"t",
    })
    at("private", 0o600, 0, b"private\n")
    at("last", 0o644, COUNT - 1)
    at("link", 0o777, 1000, type=tarfile.SYMTYPE, linkname="file")
    at("dir", 0o755, 1000, type=tarfile.DIRTYPE)
    at("dir/inner", 0o644, 1000)
    at("dir/sub", 0o755, 1000, type=tarfile.DIRTYPE)
    at("public", 0o1777, 0, type=tarfile.DIRTYPE)
    at("null", 0o666, 0, type=tarfile.CHRTYPE, devmajor=1, devminor=3)

    # Outside the range, on either side
    at("above", 0o666, ABOVE)
    at("above_sealed", 0o600, ABOVE)
    at("above_group", 0o666, 1000, gid=ABOVE)
    at("above_dir", 0o777, ABOVE, type=tarfile.DIRTYPE)
    at("above_dir/sub", 0o755, 0, type=tarfile.DIRTYPE)
    if origin:
        at("below", 0o666, -1)

    at("plain", 0o755, 0, PROGRAM)
    at("suid", 0o6755, 0, PROGRAM)
    at("suid_user", 0o6755, 1000, PROGRAM)
    at("suid_above", 0o6755, ABOVE, PROGRAM)
    at("cap_v2", 0o755, 0, PROGRAM, xattrs={
        "security.capability": capability(VFS_CAP_REVISION_2),
    })
    at("cap_v3", 0o755, 0, PROGRAM, xattrs={
        "security.capability": capability(VFS_CAP_REVISION_3, origin),
    })

    add(archive, f"outside/{origin}", 0o755, origin, origin,
        type=tarfile.DIRTYPE)


with tarfile.open(fileobj=sys.stdout.buffer, mode="w|",
                  format=tarfile.PAX_FORMAT) as out:
    add(out, "outside", 0o755, 0, 0, type=tarfile.DIRTYPE)
    for first in ORIGINS:
        tree(out, first)
