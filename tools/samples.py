# SPDX-License-Identifier: MIT
"""Harmless samples: the EICAR test file, what it can hide in, and signatures for them.

    samples.py DIR       write the sample folder that quickstart.sh scans

Everything is put together at run time, so that no scanner trips over this repository.
"""
import email.message
import gzip
import hashlib
import io
import lzma
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

TESTFILES = pathlib.Path("/usr/share/clamav-testfiles")


def eicar():
    """The 68 bytes that every scanner detects by agreement."""
    return (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR" + b"-STANDARD-"
            + b"ANTIVIRUS-TEST-" + b"FILE!$H+H*")


def zipped(name, data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def nested(name, data):
    """A zip in a gzip in a tar."""
    packed = gzip.compress(zipped(name, data), mtime=0)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("inner.zip.gz")
        info.size = len(packed)
        archive.addfile(info, io.BytesIO(packed))
    return out.getvalue()


def seven_zipped(name, data):
    """A 7z archive of one member, written by hand: one folder, one coder, LZMA2."""
    packed = lzma.compress(data, lzma.FORMAT_RAW, filters=[
        {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 17}])
    label = name.encode("utf-16-le") + b"\0\0"

    def number(value):  # the two-byte form holds 14 bits
        return bytes([0x80 | value >> 8, value & 0xFF]) if value > 0x7F else bytes([value])

    header = (
        b"\1\4\6\0\1\x09" + number(len(packed)) + b"\0"        # one packed stream, its size
        + b"\7\x0b\1\0\1\x21\x21\1\x0a"                       # LZMA2, dictionary of 128 KiB
        + b"\x0c" + number(len(data)) + b"\0"                   # unpacked size
        + b"\x08\x0a\1" + struct.pack("<I", zlib.crc32(data)) + b"\0\0"
        + b"\5\1\x11" + number(len(label) + 1) + b"\0" + label  # one file, its name
        + b"\x15\6\1\0" + struct.pack("<I", 0x20) + b"\0\0")   # and attributes
    start = struct.pack("<QQI", len(packed), len(header), zlib.crc32(header))
    return (b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + packed
            + header)


def bomb(levels=5, copies=16, zeros=16 << 20):
    """A small zip of zips of zips … that unpack to 16 TiB of zeros."""
    data, name = bytes(zeros), "zeros"
    for level in range(levels + 1):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for copy in range(copies if level else 1):
                archive.writestr(zipfile.ZipInfo(f"{copy}-{name}"), data,
                                 zipfile.ZIP_DEFLATED)
        data, name = out.getvalue(), f"{level}.zip"
    return data


def truncated_zip():
    """Cut off in the middle of its only member."""
    whole = zipped("report.txt", hashlib.shake_128(b"report").hexdigest(4000).encode())
    return whole[:len(whole) // 2]


def mailed(name, data):
    mail = email.message.EmailMessage()
    mail["From"], mail["To"] = "alice@example.org", "bob@example.org"
    mail["Subject"], mail["Date"] = "Your invoice", "Sun, 22 Nov 2026 08:00:00 +0000"
    mail.set_content("Please see the attachment.\n")
    mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def locked_zip(path, name, data):
    """A zip that needs a password; Python's own module can only read those."""
    subprocess.run(["zip", "-q", "-P", "secret", path.absolute(), "-"], input=data, check=True,
                   cwd=path.parent)


# What only an engine notices that takes containers apart itself and answers for all of them;
# clamd finds nothing in these, and says so.
SEEN_INSIDE = ("in-containers/truncated.zip", "in-containers/bomb.zip")


def write_folder(folder, opened=True):
    """The sample folder; returns what each file has to come out as, with an engine that opens
    containers itself (yara) or with clamd alone."""
    folder = pathlib.Path(folder)
    (folder / "in-containers").mkdir(parents=True, exist_ok=True)
    files = {
        "letter.txt": (b"Dear Bob,\nnothing to see here.\nAlice\n", "clean"),
        "empty": (b"", "clean"),
        "random.bin": (bytes(hashlib.shake_128(b"sample").digest(100000)), "clean"),
        "photos.zip": (zipped("beach.txt", b"sun, sea, sand\n"), "clean"),
        "eicar.com": (eicar(), "infected"),
        "in-containers/eicar.zip": (zipped("eicar.com", eicar()), "infected"),
        "in-containers/eicar.tar.gz": (tarred("eicar.com", eicar()), "infected"),
        "in-containers/eicar.eml": (mailed("eicar.com", eicar()), "infected"),
        "in-containers/eicar.tar": (nested("eicar.com", eicar()), "infected"),
        "in-containers/eicar.7z": (seven_zipped("eicar.com", eicar()), "infected"),
        "in-containers/truncated.zip": (truncated_zip(), "error"),
        "in-containers/bomb.zip": (bomb(), "error"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    expected = {name: outcome for name, (_, outcome) in files.items()}
    locked = folder / "in-containers/locked.zip"
    locked.unlink(missing_ok=True)
    locked_zip(locked, "secret.txt", b"nobody can look in here\n")
    expected["in-containers/locked.zip"] = "error"
    if not opened:
        expected |= dict.fromkeys(SEEN_INSIDE, "clean")
    return expected


def eicar_signature():
    """One line of clamd's extended signatures (.ndb): any file that begins with it."""
    return f"Eicar-Test-Signature:0:0:{eicar().hex()}\n"


def testfile_signatures():
    """Debian's harmless test files, each by size and hash (.hdb)."""
    lines = []
    for path in sorted(TESTFILES.glob("clam*")):
        data = path.read_bytes()
        name = "".join(c if c.isalnum() else "-" for c in path.name)
        lines.append(f"{hashlib.md5(data).hexdigest()}:{len(data)}:Test.File.{name}\n")
    return "".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: samples.py DIR")
    os.umask(0o022)
    write_folder(sys.argv[1])
