# SPDX-License-Identifier: MIT
"""A private clamd with a handful of signatures of our own: no network, no root, no daemon that
outlives its user.

    clamd.py start DIR   start one that keeps everything below DIR; prints its address
    clamd.py stop DIR    stop it

The tests use the same through PrivateClamd.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import samples

CLAMD = "/usr/sbin/clamd"
# What Scanbridge asks of a clamd: say so when a limit or a password stops you, and when you cut a
# member of an archive, which shows only where MaxScanSize is not more than MaxFileSize.
DEFAULTS = {"AlertExceedsMax": "yes", "AlertEncrypted": "yes",
            "MaxFileSize": "100M", "MaxScanSize": "100M"}


def write_setup(folder, tcp_port=None, **options):
    """Signatures and configuration below folder; returns the configuration's path."""
    folder = pathlib.Path(folder).absolute()
    for name in ("db", "tmp"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "db/eicar.ndb").write_text(samples.eicar_signature())
    if signatures := samples.testfile_signatures():
        (folder / "db/testfiles.hdb").write_text(signatures)
    lines = {"DatabaseDirectory": folder / "db", "TemporaryDirectory": folder / "tmp",
             "LocalSocket": folder / "clamd.sock", "LocalSocketMode": "600",
             "PidFile": folder / "clamd.pid"} | DEFAULTS | options
    if tcp_port:
        lines |= {"TCPSocket": tcp_port, "TCPAddr": "127.0.0.1"}
    config = folder / "clamd.conf"
    config.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    return config


def program(folder):
    """clamd itself. Where AppArmor confines /usr/sbin/clamd to its system folders, a copy under
    another name is free to work in ours."""
    if not os.access(CLAMD, os.X_OK):
        sys.exit("error: clamd is not installed: apt-get install clamav-daemon")
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        return CLAMD
    copy = pathlib.Path(folder).absolute() / "clamd"
    shutil.copy(CLAMD, copy)
    return str(copy)


def start(folder):
    """clamd's own parent process returns once the daemon answers."""
    folder = pathlib.Path(folder).absolute()
    config = write_setup(folder, LogFile=folder / "clamd.log")
    done = subprocess.run([program(folder), "-c", config], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: clamd did not start:\n{done.stdout}{done.stderr}")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(folder / "clamd.sock"))
        probe.sendall(b"zPING\0")
        if probe.recv(16) != b"PONG\0":
            sys.exit("error: clamd does not answer")
    return f"unix:{folder / 'clamd.sock'}"


def stop(folder):
    pid_file = pathlib.Path(folder) / "clamd.pid"
    try:
        pid = int(pid_file.read_text())
        handle = os.pidfd_open(pid)
        # The number may have passed to another process since.
        if str(pathlib.Path(folder).absolute()).encode() not in \
                pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start", where]:
            print(start(where))
        case ["stop", where]:
            stop(where)
        case _:
            sys.exit("usage: clamd.py start|stop DIR")
