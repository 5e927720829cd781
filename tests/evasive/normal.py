# SPDX-License-Identifier: MIT
"""What a normal user's tools find in a file: Python's own modules, 7z, gzip and their like. For
documents, which no such tool opens, the plainest reading of them. Nothing of ours: this is the
judge of what a scanner must find as well."""
import base64
import binascii
import bz2
import email
import email.policy
import gzip
import io
import itertools
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
import warnings
import zipfile
import zlib

LIMIT = 8 << 20  # bytes of a member
DEPTH = 24
BROKEN = Exception  # whatever a module makes of hostile bytes, it only means: not this way


def _zip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            try:
                yield archive.read(info)
            except BROKEN:
                continue


def _tar(data):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for info in archive:
            if info.isreg():
                yield archive.extractfile(info).read(LIMIT)


def _mail(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = email.message_from_bytes(data, policy=email.policy.compat32)
        for part in message.walk():
            if not part.is_multipart():
                body = part.get_payload(decode=True) or b""
                if part is not message or body.strip() != data.strip():
                    yield body


def _uu(data):
    lines = data[data.index(b"begin 6"):].splitlines()[1:]
    yield b"".join(map(binascii.a2b_uu, itertools.takewhile(lambda line: line != b"end", lines)))


def _pdf(data):
    """Streams by their words, and the filters that their dictionaries name."""
    undo = {b"Flate": zlib.decompress, b"ASCIIHex": _hex, b"ASCII85": _base85, b"RunLength": _runs}
    for words, body in re.findall(rb"<<((?:(?!endobj).)*?)stream\r?\n(.*?)\r?\n?endstream", data,
                                  re.S):
        try:
            for name in re.findall(rb"/(Flate|ASCIIHex|ASCII85|RunLength)Decode", words):
                body = undo[name](body)
            yield body
        except BROKEN:
            continue


def _hex(data):
    return bytes.fromhex(re.sub(rb"\s", b"", data.split(b">")[0]).decode())


def _base85(data):
    return base64.a85decode(data.split(b"~>")[0])


def _runs(data):
    out, at = b"", 0
    while data[at] != 128:
        length = data[at] + 1
        if length > 128:
            out, at = out + data[at + 1:at + 2] * (258 - length), at + 2
        else:
            out, at = out + data[at + 1:at + 1 + length], at + 1 + length
    return out


def _rtf(data):
    """Objects in hexadecimal: behind the class name and its lengths."""
    for digits in re.findall(rb"\\objdata ([0-9a-fA-F\s]*)", data):
        body = _hex(digits)
        length, = struct.unpack_from("<I", body, 8)
        yield body[12 + length + 12:]


def _native(data, start=4):
    """A packaged file: label, path, path again, bytes."""
    name = data.index(b"\0", start + 2)
    path = data.index(b"\0", name + 1)
    length, = struct.unpack_from("<I", data, path + 5)
    size, = struct.unpack_from("<I", data, path + 9 + length)
    yield data[path + 13 + length:path + 13 + length + size]


def _bare_native(data):
    return _native(data, 0)


def _filter(name, function):
    def members(data):
        yield function(data)
    members.__name__ = name
    return members


def _seven(data, password="none"):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "file")
        path.write_bytes(data)
        subprocess.run(["7z", "x", "-y", "-bd", f"-p{password}", f"-o{folder}/out", path],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, timeout=60)
        for place, _, files in os.walk(f"{folder}/out"):
            for name in sorted(files):
                found = pathlib.Path(place, name)
                if found.is_file() and not found.is_symlink():
                    yield found.read_bytes()[:LIMIT]


def _program(*words):
    def members(data):
        done = subprocess.run(words, input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60)
        yield done.stdout[:LIMIT]
    members.__name__ = words[0]
    return members


def _ways(data):
    """Which tools would be tried on these bytes, cheapest first."""
    ways = []
    if b"PK\5\6" in data[-70000:]:
        ways.append(_zip)
    if data[:2] == b"\x1f\x8b":
        ways += [_filter("gzip", gzip.decompress), _program("gzip", "-dc")]
    if data[:2] == b"\x1f\x9d":
        ways.append(_program("gzip", "-dc"))
    if data[:3] == b"BZh":
        ways.append(_filter("bz2", bz2.decompress))
    if data[:6] == b"\xfd7zXZ\0" or data[:3] == b"]\0\0":
        ways.append(_filter("lzma", lzma.decompress))
        ways.append(_program("xz", "-q", "-dc"))
    for magic, words in ((b"\x28\xb5\x2f\xfd", ("zstd", "-q", "-dc")),
                         (b"\x50\x2a\x4d\x18", ("zstd", "-q", "-dc")),
                         (b"\x04\x22\x4d\x18", ("lz4", "-q", "-dc")),
                         (b"LZIP", ("lzip", "-q", "-dc"))):
        if data[:4] == magic and shutil.which(words[0]):
            ways.append(_program(*words))
    if len(data) >= 512 and (data[257:262] == b"ustar" or data[100:104] == b"0000"):
        ways.append(_tar)
    if b":" in data[:2000] and b"\n\n" in data.replace(b"\r\n", b"\n"):
        ways.append(_mail)
    if b"\nbegin 6" in b"\n" + data[:4000]:
        ways.append(_uu)
    if b"%PDF-" in data[:1024]:
        ways.append(_pdf)
    if data[:5] == b"{\\rtf":
        ways.append(_rtf)
    if data[4:6] == b"\2\0":
        ways.append(_native)
    if data[:2] == b"\2\0":
        ways.append(_bare_native)
    if shutil.which("7z"):
        ways.append(_seven)
    return ways


def unlocks(data, payload, password):
    """Whether the payload lies behind this password."""
    return any(member == payload or member[:2] == b"PK" and unlocks(member, payload, password)
               for member in _seven(data, password))


def finds(data, payload, depth=0, seen=None):
    """How a user gets at the payload: names of tools from the outside in, or None. The payload
    itself needs none."""
    if data.strip() == payload or data.startswith(payload):
        return []
    seen = set() if seen is None else seen
    if depth > DEPTH or not data or hash(data) in seen:
        return None
    seen.add(hash(data))
    for way in _ways(data):
        try:
            for member in way(data):
                below = finds(member, payload, depth + 1, seen)
                if below is not None:
                    return [way.__name__.strip("_"), *below]
        except BROKEN:
            continue
    return None
