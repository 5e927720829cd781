#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How often the bundled rules speak up on content that is presumed harmless.

    tools/measure_rules.py BUILD [--members] [--limit SHARE] [FOLDER...]     default: /usr

Every file below the folders is scanned by BUILD/bench/yara_min with its own name, extension and
size, as the engine does. With --members, what .gz and zip files hold (manuals, .jar, .whl, office
documents) is written to a temporary folder and scanned as well; members see depth 0.

Prints every hit, and the shares. Exit 1 when anything is infected or more than SHARE (default
0.001) of the files are suspicious.
"""
import argparse
import collections
import gzip
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib

RULES = sorted((pathlib.Path(__file__).resolve().parents[1] / "rules").glob("*.yar"))
MEMBER_LIMIT = 16 << 20
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError,
          ValueError)


def files_below(folders):
    for folder in folders:
        for top, folders_here, names in os.walk(folder):
            folders_here.sort()
            for name in sorted(names):
                path = os.path.join(top, name)
                if "\n" not in path and os.path.isfile(path) and not os.path.islink(path) \
                        and os.access(path, os.R_OK):
                    yield path


def members(path):
    """Name and content of what a file holds, if it is a gzip or zip file."""
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic[:3] == b"\x1f\x8b\x08":
            name = os.path.basename(path)
            yield name.removesuffix(".gz"), gzip.open(path).read(MEMBER_LIMIT)
        elif magic == b"PK\3\4":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir() and entry.file_size <= MEMBER_LIMIT:
                        yield os.path.basename(entry.filename), archive.read(entry)
    except BROKEN:
        return


def unpack(paths, folder):
    """Write all members; the path of each and what it came from."""
    origin = {}
    for path in paths:
        for name, data in members(path):
            place = folder / str(len(origin))
            place.mkdir()
            target = place / (name.replace("\n", "_")[-200:] or "member")
            target.write_bytes(data)
            origin[str(target)] = f"{path} -> {name}"
    return origin


def hits(build, paths):
    done = subprocess.run([build / "bench/yara_min", "-l", str(os.cpu_count() or 1), *RULES],
                          input="".join(path + "\n" for path in paths).encode("utf-8",
                                                                              "surrogateescape"),
                          stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        sys.exit("yara_min failed; was the folder set up with -Dbench=true?")
    text = done.stdout.decode("utf-8", "surrogateescape")
    return [line.split(" ", 1) for line in text.splitlines()]


def verdicts():
    """Rule -> verdict; infected when it says nothing."""
    text = "".join(path.read_text() for path in RULES)
    said = {}
    for name, body in re.findall(r"^rule (\w+)\n\{\n(.*?)^\}", text, re.M | re.S):
        verdict = re.search(r'^\t\tverdict = "(\w+)"', body, re.M)
        said[name] = verdict.group(1) if verdict else "infected"
    return said


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("build", type=pathlib.Path)
    words.add_argument("folders", nargs="*", default=["/usr"])
    words.add_argument("--members", action="store_true")
    words.add_argument("--limit", type=float, default=0.001)
    asked = words.parse_intermixed_args()
    paths, origin, said = list(files_below(asked.folders)), {}, verdicts()
    with tempfile.TemporaryDirectory(prefix="rules.") as folder:
        if asked.members:
            origin = unpack(paths, pathlib.Path(folder))
        found = hits(asked.build, paths + list(origin))
    flagged = collections.defaultdict(set)
    for rule, path in sorted(found):
        flagged[said[rule]].add(path)
        print(f"{said[rule]:10} {rule:36} {origin.get(path, path)}")
    total = len(paths) + len(origin)
    suspicious = len(flagged["suspicious"] - flagged["infected"])
    print(f"{total} files ({len(origin)} of them members): {len(flagged['infected'])} infected, "
          f"{suspicious} suspicious ({suspicious / max(total, 1):.4%})")
    return 1 if flagged["infected"] or suspicious > asked.limit * total else 0


if __name__ == "__main__":
    sys.exit(main())
