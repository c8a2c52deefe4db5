#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make an ext4 image of signed files, for integrity_test.

Arguments: IMAGE CERTIFICATE PROGRAM

The files get what a signed image has: the signature of their contents for IMA, and
the portable one for EVM, which covers the first, the label, the owner and the mode.
The key is made for that, used once and thrown away; its certificate remains.

No file of this machine gets an extended attribute, which takes privileges: debugfs
writes them to the image. EVMCTL, MKE2FS, DEBUGFS and OPENSSL name other programs.
"""
import os
import shutil
import subprocess
import sys
import tempfile

# What integrity_test knows as well
ORIGIN = 100000
TENANT = 200000
USER = 1000

# A valid one in the policies of the tests. Without it evmctl would sign the label
# that the file has on this machine, if any.
LABEL = "user_u:object_r:base_t"

# Name, contents, owner on disk, mode, and the owner that EVM's signature is for
FILES = (
    ("prog", "program", 0, 0o755, 0),
    ("data", "text", 0, 0o644, 0),
    ("user", "program", USER, 0o755, USER),
    ("origin", "program", ORIGIN, 0o755, ORIGIN),
    # Signed for what a container's root is on the host: valid if ids were shifted
    ("tenant", "program", 0, 0o755, TENANT),
    ("unsigned", "program", 0, 0o755, None),
)


def run(name, *args):
    """Runs a program, and returns what it printed."""
    done = subprocess.run([os.environ.get(name.upper()) or name, *args],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode()


def sign(key, path, owner, mode):
    """The values of security.ima and security.evm."""
    ima = run("evmctl", "ima_sign", "-n", "-a", "sha256", "-k", key, path).strip()
    # It wants decimal numbers.
    evm = run("evmctl", "sign", "-n", "--portable", "-a", "sha256", "-k", key,
              "--uid", str(owner), "--gid", str(owner), "--mode", str(0o100000 | mode),
              "--ima", ima, "--selinux", LABEL, path).strip()
    return bytes.fromhex(ima), bytes.fromhex(evm)


def main(image, certificate, program):
    with tempfile.TemporaryDirectory() as tmp:
        key = os.path.join(tmp, "key.pem")
        root = os.path.join(tmp, "root")
        commands = []

        run("openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256",
            "-days", "36500", "-subj", "/CN=mount_shift selftests",
            "-addext", "keyUsage=digitalSignature", "-keyout", key,
            "-outform", "DER", "-out", certificate)

        os.mkdir(root)
        for name, contents, owner, mode, signer in FILES:
            path = os.path.join(root, name)
            if contents == "program":
                shutil.copyfile(program, path)
            else:
                with open(path, "w", encoding="ascii") as text:
                    text.write("signed\n")

            commands += [f"sif {name} uid {owner}", f"sif {name} gid {owner}",
                         f"sif {name} mode 0{0o100000 | mode:o}"]
            if signer is None:
                continue
            label = LABEL.encode() + b"\0"
            ima, evm = sign(key, path, signer, mode)
            for xattr, value in ("selinux", label), ("ima", ima), ("evm", evm):
                source = os.path.join(tmp, name + "." + xattr)
                with open(source, "wb") as out:
                    out.write(value)
                commands.append(f"ea_set -f {source} {name} security.{xattr}")

        # Without checksums the test can give the file system another UUID.
        if os.path.exists(image):
            os.unlink(image)
        run("mke2fs", "-q", "-b", "1024", "-I", "256", "-N", "64",
            "-O", "none,dir_index,ext_attr,extent,filetype,large_file",
            "-E", "root_owner=0:0", "-d", root, image, "1M")
        with open(os.path.join(tmp, "commands"), "w", encoding="ascii") as script:
            script.write("\n".join(commands) + "\n")
        run("debugfs", "-w", "-f", script.name, image)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
