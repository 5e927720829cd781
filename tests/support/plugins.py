# SPDX-License-Identifier: MIT
"""Plugins for tests: compiled where plugins may be, which is nowhere below /tmp."""
import os
import shutil
import stat
import subprocess
import tempfile
import pathlib

from support.harness import BUILD, ROOT, engines_built

FLAGS = ["-shared", "-fPIC", "-O1", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
         "-Wno-infinite-recursion", "-Wno-unused", "-I", str(ROOT / "include")]
GUEST = ROOT / "tests/support/guest.c"


def trusted(path):
    """Whether a plugin may be below: root's or ours all the way up, and nobody else writes."""
    return all(folder.stat().st_uid in (0, os.geteuid())
               and not folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
               for folder in [path, *path.parents])


def unusable():
    """Why there can be no plugins here; None: there can."""
    if "plugin" not in engines_built():
        return "this build has no engine plugin"
    return None if trusted(BUILD) else f"others can write to {BUILD} or a folder above"


def folder(cleanup):
    """A folder of a test's own for plugins, until its cleanup."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="plugins.", dir=BUILD))
    cleanup(shutil.rmtree, made, ignore_errors=True)
    made.chmod(0o755)
    return made


def compiled(into, *flags, source=GUEST, name="guest.so", inside=False):
    """@p source as a shared object; `inside`: it sees the worker's own headers."""
    path = into / name
    extra = ["-I", str(ROOT / "src"), "-DINSIDE", str(ROOT / "src/worker/message.c")] * inside
    done = subprocess.run(["cc", *FLAGS, *extra, *flags, "-o", path, source],
                          capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(done.stderr)
    path.chmod(0o755)
    return path


def plugin(path, name="mine", **settings):
    return {"name": name, "type": "plugin", "path": str(path), "self_test": "off"} | settings
