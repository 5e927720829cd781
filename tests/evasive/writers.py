# SPDX-License-Identifier: MIT
"""Writers of container formats, by hand, so that every field can lie and every byte is the same
each time. What no short code can write comes from a tool; Missing says that it isn't there."""
import binascii
import bz2
import dataclasses
import functools
import hashlib
import io
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zlib

NAME = b"eicar.com"
WHEN = 1767323046  # 2026-01-02 03:04:06 UTC, in every format that wants a time
DOS_TIME, DOS_DATE = 0x1883, 0x5C22
SECRET = "secret"


class Missing(Exception):
    """A tool that a recipe needs is not installed."""


def pack(layout, *values):
    return struct.pack("<" + layout, *values)


# --- Tools -----------------------------------------------------------------------------------
def tool(*words, data=None, cwd=None):
    """What a program prints when it is given data."""
    if not shutil.which(words[0]):
        raise Missing(words[0])
    done = subprocess.run(words, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          cwd=cwd, env={**os.environ, "SOURCE_DATE_EPOCH": str(WHEN), "TZ": "UTC"},
                          stdin=None if data is not None else subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.decode('utf-8', 'replace')[-300:]}")
    return done.stdout


def with_files(files, *words, result):
    """Run a tool in a folder that holds these files and nothing else; returns what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        inside = pathlib.Path(folder, "in")
        for name, data in files.items():
            path = inside / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for path in [*inside.rglob("*"), inside]:
            os.utime(path, (WHEN, WHEN))
        tool(*words, cwd=inside)
        return pathlib.Path(folder, result).read_bytes()


@functools.lru_cache(maxsize=None)
def seven(files, kind, *options):
    """7z's own archives; files is a tuple of (name, data)."""
    times = ("-mtm=off", "-mta=off", "-mtc=off") if kind == "7z" else ()
    return with_files(dict(files), "7z", "a", f"-t{kind}", "-bd", *times, *options,
                      f"../out.{kind}", ".", result=f"out.{kind}")


@functools.lru_cache(maxsize=None)
def iso(files, *options):
    """genisoimage's, with the moment of its making taken out."""
    image = bytearray(with_files(dict(files), "genisoimage", "-quiet", "-no-pad", "-o", "../out",
                                 "-V", "TEST", *options, ".", result="out"))
    for sector in range(16, 32):
        at = sector * 2048
        if image[at + 1:at + 6] == b"CD001" and image[at] in (1, 2):
            for field in range(813, 813 + 4 * 17, 17):
                image[at + field:at + field + 17] = b"2026010203040600\0"
    stamps = b"TF\x1a\x01\x0e" + b"\x7e\1\2\3\4\6\0" * 3  # Rock Ridge: modified, accessed, changed
    return re.sub(b"TF\x1a\x01\x0e.{21}", lambda _: stamps, bytes(image), flags=re.S)


@functools.lru_cache(maxsize=None)
def rpm(data):
    """A package with one file below /opt."""
    spec = ("Name: sample\nVersion: 1\nRelease: 1\nSummary: sample\nLicense: none\n"
            "BuildArch: noarch\n%description\nsample\n%install\nmkdir -p %{buildroot}/opt\n"
            "cp %{_sourcedir}/eicar.com %{buildroot}/opt/eicar.com\n%files\n/opt/eicar.com\n")
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        for name in ("SOURCES", "SPECS", "BUILD", "RPMS", "BUILDROOT", "tmp"):
            (top / name).mkdir()
        (top / "SOURCES/eicar.com").write_bytes(data)
        (top / "SPECS/sample.spec").write_text(spec)
        defines = {"_topdir": folder, "_buildhost": "build", "_tmppath": f"{folder}/tmp",
                   "use_source_date_epoch_as_buildtime": "1", "_build_id_links": "none",
                   "clamp_mtime_to_source_date_epoch": "1", "_dbpath": f"{folder}/db",
                   "_binary_payload": "w6.gzdio"}
        words = [word for key, value in defines.items()
                 for word in ("--define", f"{key} {value}")]
        tool("rpmbuild", "--quiet", "--nodeps", *words, "-bb", str(top / "SPECS/sample.spec"))
        return next(top.glob("RPMS/*/*.rpm")).read_bytes()


# --- Streams: one body, no names ----------------------------------------------------------------
def deflate(data, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def gz(data, *, flags=0, fields=b"", crc=None, size=None, packed=None):
    """RFC 1952; flags say which optional fields follow the header."""
    return (b"\x1f\x8b\x08" + bytes([flags]) + pack("I", WHEN) + b"\x02\x03" + fields
            + (deflate(data) if packed is None else packed)
            + pack("II", zlib.crc32(data) if crc is None else crc,
                   len(data) if size is None else size))


def xz(data, **options):
    return lzma.compress(data, lzma.FORMAT_XZ, **options)


def lzma_alone(data):
    return lzma.compress(data, lzma.FORMAT_ALONE)


def unix_compress(data):
    """LZW that never uses its dictionary: 247 literals, then the clear code, which fills whole
    groups of eight codes, so that no padding is needed."""
    codes = []
    for start in range(0, len(data), 247):
        if start:
            codes.append(256)
        codes += data[start:start + 247]
    value = sum(code << (9 * place) for place, code in enumerate(codes))
    return b"\x1f\x9d\x90" + value.to_bytes((9 * len(codes) + 7) // 8, "little")


def uu(name, data):
    lines = [binascii.b2a_uu(data[at:at + 45]) for at in range(0, len(data), 45)]
    return b"begin 644 " + name + b"\n" + b"".join(lines) + b"`\nend\n"


# --- zip ----------------------------------------------------------------------------------------
@dataclasses.dataclass
class Member:
    """A zip member; `local` and `central` hold what the two headers say otherwise."""
    name: bytes
    data: bytes
    method: int = 8
    flags: int = 0
    extra: bytes = b""
    packed: bytes = None
    after: bytes = b""     # between its data and what follows: a data descriptor
    before: bytes = b""    # bytes that belong to nobody
    listed: bool = True    # has a central header
    signature: bytes = b"PK\3\4"
    local: dict = dataclasses.field(default_factory=dict)
    central: dict = dataclasses.field(default_factory=dict)

    def body(self):
        if self.packed is not None:
            return self.packed
        return deflate(self.data) if self.method == 8 else self.data

    def says(self, lies):
        return {"version": 20, "flags": self.flags, "method": self.method,
                "crc": zlib.crc32(self.data), "csize": len(self.body()), "usize": len(self.data),
                "name": self.name, "extra": self.extra, "attributes": 0} | lies

    def local_header(self):
        say = self.says(self.local)
        return (self.signature
                + pack("HHHHHIIIHH", say["version"], say["flags"], say["method"], DOS_TIME,
                       DOS_DATE, say["crc"], say["csize"], say["usize"], len(say["name"]),
                       say.get("extra_length", len(say["extra"]))) + say["name"] + say["extra"])

    def central_header(self, offset):
        say = self.says(self.central)
        return (b"PK\1\2"
                + pack("HHHHHHIIIHHHHHII", 20, say["version"], say["flags"], say["method"],
                       DOS_TIME, DOS_DATE, say["crc"], say["csize"], say["usize"],
                       len(say["name"]), len(say["extra"]), len(say.get("comment", b"")), 0, 0,
                       say["attributes"], say.get("offset", offset))
                + say["name"] + say["extra"] + say.get("comment", b""))


def zip_parts(members, at=0):
    """The members from offset `at` on, and the directory that lists them."""
    body, directory = b"", b""
    for member in members:
        body += member.before
        if member.listed:
            directory += member.central_header(at + len(body))
        body += member.local_header() + member.body() + member.after
    return body, directory


def zip_end(count, size, offset, comment=b"", lies=None):
    say = {"here": count, "all": count, "size": size, "offset": offset,
           "length": len(comment)} | (lies or {})
    return b"PK\5\6" + pack("HHHHIIH", 0, 0, say["here"], say["all"], say["size"], say["offset"],
                            say["length"]) + comment


def zipped(*members, prefix=b"", counted=True, comment=b"", **lies):
    """A whole archive; with counted=False offsets don't know of the prefix."""
    body, directory = zip_parts(members, len(prefix) if counted else 0)
    end = zip_end(sum(member.listed for member in members), len(directory),
                  len(body) + (len(prefix) if counted else 0), comment, lies)
    return prefix + body + directory + end


def simple_zip(name, data):
    return zipped(Member(name, data))


def descriptor(data, packed, signature=True):
    return (b"PK\7\x08" if signature else b"") + pack("III", zlib.crc32(data), len(packed),
                                                      len(data))


def zip_crypto(password, data):
    """PKWARE's traditional encryption, with a header that is not random."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def step(crc, byte):
        return zlib.crc32(bytes([byte]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def update(byte):
        keys[0] = step(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = step(keys[2], keys[1] >> 24)

    for byte in password.encode():
        update(byte)
    out = bytearray()
    head = hashlib.sha256(b"head").digest()[:11] + bytes([zlib.crc32(data) >> 24])
    return_body = deflate(data)
    for byte in head + return_body:
        word = keys[2] | 2
        out.append(byte ^ ((word * (word ^ 1)) >> 8 & 0xFF))
        update(byte)
    return bytes(out)


# --- tar, cpio, ar ------------------------------------------------------------------------------
def tarred(*files, form=tarfile.GNU_FORMAT, pax=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8",
                      errors="surrogateescape") as archive:
        for name, data in files:
            info = tarfile.TarInfo(os.fsdecode(name))
            info.size, info.mtime, info.pax_headers = len(data), WHEN, pax or {}
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tar_header(name, size, *, kind=b"0", magic=b"ustar\0" b"00", checksum=None, link=b""):
    """One 512-byte header; magic b"" is the seventh edition's."""
    head = (name[:100].ljust(100, b"\0") + b"0000644\0" b"0000000\0" b"0000000\0"
            + (size if isinstance(size, bytes) else b"%011o\0" % size) + b"%011o\0" % WHEN
            + b" " * 8 + kind + link.ljust(100, b"\0") + magic).ljust(512, b"\0")
    total = sum(head) if checksum is None else checksum
    return head[:148] + b"%06o\0 " % total + head[156:]


def padded(data, unit=512):
    return data + b"\0" * (-len(data) % unit)


def newc(name, data, magic=b"070701"):
    def record(name, data, mode):
        check = sum(data) & 0xFFFFFFFF if magic == b"070702" else 0
        fields = (1, mode, 0, 0, 1, WHEN, len(data), 0, 0, 0, 0, len(name) + 1, check)
        head = magic + b"".join(b"%08X" % field for field in fields) + name + b"\0"
        return padded(head, 4) + padded(data, 4)
    return record(name, data, 0o100644) + record(b"TRAILER!!!", b"", 0)


def odc(name, data):
    def record(name, data, mode):
        return (b"070707" + b"".join(b"%06o" % field for field in (0, 1, mode, 0, 0, 1, 0))
                + b"%011o%06o%011o" % (WHEN, len(name) + 1, len(data)) + name + b"\0" + data)
    return record(name, data, 0o100644) + record(b"TRAILER!!!", b"", 0)


def old_cpio(name, data):
    def record(name, data, mode):
        head = pack("HHHHHHHHHHHHH", 0o070707, 0, 1, mode, 0, 0, 1, 0, WHEN >> 16, WHEN & 0xFFFF,
                    len(name) + 1, len(data) >> 16, len(data) & 0xFFFF)
        return head + padded(name + b"\0", 2) + padded(data, 2)
    return record(name, data, 0o100644) + record(b"TRAILER!!!", b"", 0)


def ar(*files, slash=b"/", names=b""):
    out = b"!<arch>\n"
    for name, data in ((b"//", names), *files) if names else files:
        label = name if name[:1] in (b"/", b"#") else name + slash
        out += (label.ljust(16) + b"%-12d0     0     100644  %-10d`\n" % (WHEN, len(data))
                + padded(data, 2))
    return out


def deb(data, packer=xz, suffix=b"xz"):
    control = b"Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n" \
        b"Description: sample\n"
    return ar((b"debian-binary", b"2.0\n"),
              (b"control.tar." + suffix, packer(tarred((b"./control", control)))),
              (b"data.tar." + suffix, packer(tarred((b"./opt/eicar.com", data)))), slash=b"")


# --- cab, rar, lha, xar --------------------------------------------------------------------------
def _cab_sum(data, seed):
    whole = len(data) // 4 * 4
    for word in struct.unpack(f"<{whole // 4}I", data[:whole]):
        seed ^= word
    return seed ^ int.from_bytes(data[whole:], "big")


def cab(name, data, mszip=False):
    blocks = []
    for at in range(0, len(data), 32768) or (0,):
        chunk = data[at:at + 32768]
        if mszip:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15,
                                      zdict=data[max(0, at - 32768):at])
            body = b"CK" + packer.compress(chunk) + packer.flush()
        else:
            body = chunk
        sizes = pack("HH", len(body), len(chunk))
        blocks.append(pack("I", _cab_sum(sizes, _cab_sum(body, 0))) + sizes + body)
    entry = pack("IIHHHH", len(data), 0, 0, DOS_DATE, DOS_TIME, 0x20) + name + b"\0"
    start = 36 + 8 + len(entry)
    folder = pack("IHH", start, len(blocks), 1 if mszip else 0)
    total = start + sum(map(len, blocks))
    head = b"MSCF" + pack("IIIIIBBHHHHH", 0, total, 0, 36 + 8, 0, 3, 1, 1, 1, 0, 7, 0)
    return head + folder + entry + b"".join(blocks)


def rar4(name, data, flags=0, method=0x30, solid=b""):
    def block(kind, flags, rest):
        body = pack("BHH", kind, flags, 7 + len(rest)) + rest
        return pack("H", zlib.crc32(body) & 0xFFFF) + body
    entry = pack("IIBIIBBHI", len(data), len(data), 3, zlib.crc32(data),
                 DOS_DATE << 16 | DOS_TIME, 20, method, len(name), 0o100644) + name
    return (b"Rar!\x1a\7\0" + block(0x73, 0, b"\0" * 6) + solid
            + block(0x74, 0x8000 | flags, entry) + data + block(0x7B, 0x4000, b""))


def _vint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def rar5(name, data):
    def block(*parts):
        body = b"".join(part if isinstance(part, bytes) else _vint(part) for part in parts)
        body = _vint(len(body)) + body
        return pack("I", zlib.crc32(body)) + body
    entry = block(2, 2, len(data), 4, len(data), 0o100644, pack("I", zlib.crc32(data)), 0, 1,
                  len(name), name)
    return b"Rar!\x1a\7\1\0" + block(1, 0, 0) + entry + data + block(5, 0, 0)


def lha(name, data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    body = (b"-lh0-" + pack("IIHHBB", len(data), len(data), DOS_TIME, DOS_DATE, 0x20, 0)
            + bytes([len(name)]) + name + pack("H", crc))
    return bytes([len(body), sum(body) & 0xFF]) + body + data + b"\0"


def xar(name, data):
    packed = zlib.compress(data)
    digest = (hashlib.sha1(packed).hexdigest(), hashlib.sha1(data).hexdigest())
    toc = zlib.compress((
        '<?xml version="1.0" encoding="UTF-8"?>\n<xar><toc><creation-time>2026-01-02T03:04:06Z'
        '</creation-time><checksum style="sha1"><size>20</size><offset>0</offset></checksum>'
        f'<file id="1"><data><length>{len(packed)}</length><offset>20</offset>'
        f'<size>{len(data)}</size><encoding style="application/x-gzip"/>'
        f'<archived-checksum style="sha1">{digest[0]}</archived-checksum>'
        f'<extracted-checksum style="sha1">{digest[1]}</extracted-checksum></data>'
        f'<type>file</type><mode>0644</mode><name>{name.decode()}</name></file></toc></xar>'
    ).encode())
    plain = len(zlib.decompress(toc))
    return (b"xar!" + struct.pack(">HHQQI", 28, 1, len(toc), plain, 1) + toc
            + hashlib.sha1(toc).digest() + packed)


# --- The wrappers that nest ----------------------------------------------------------------------
def mail(name, data, text=b"Please see the attachment.\r\n"):
    body = binascii.b2a_base64(data, newline=False)
    lines = b"\r\n".join(body[at:at + 76] for at in range(0, len(body), 76))
    return (b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Your invoice\r\n"
            b"Date: Fri, 02 Jan 2026 03:04:06 +0000\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/mixed; boundary="=_sample"\r\n\r\n'
            b"--=_sample\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + text
            + b"\r\n--=_sample\r\nContent-Type: application/octet-stream; name=\"" + name
            + b"\"\r\nContent-Transfer-Encoding: base64\r\n"
            b"Content-Disposition: attachment; filename=\"" + name + b"\"\r\n\r\n" + lines
            + b"\r\n--=_sample--\r\n")


def _stream(suffix, function):
    return suffix, lambda name, data: function(data)


def _filter(*words):
    return functools.lru_cache(maxsize=None)(lambda data: tool(*words, data=data))


# name: (extension, function of name and data)
WRAPPERS = {
    "zip": ("zip", simple_zip),
    "gz": _stream("gz", gz),
    "bz2": _stream("bz2", bz2.compress),
    "xz": _stream("xz", xz),
    "lzma": _stream("lzma", lzma_alone),
    "zst": _stream("zst", _filter("zstd", "-q", "-c")),
    "lz4": _stream("lz4", _filter("lz4", "-q", "-c", "-")),
    "lz": _stream("lz", _filter("lzip", "-q", "-c")),
    "z": _stream("Z", unix_compress),
    "tar": ("tar", lambda name, data: tarred((name, data))),
    "7z": ("7z", lambda name, data: seven(((name, data),), "7z")),
    "cpio": ("cpio", newc),
    "ar": ("ar", lambda name, data: ar((name, data))),
    "iso": ("iso", lambda name, data: iso(((name, data),), "-R")),
    "cab": ("cab", cab),
    "rar": ("rar", rar4),
    "rar5": ("rar", rar5),
    "lha": ("lzh", lha),
    "xar": ("xar", xar),
    "mail": ("eml", mail),
    "uu": ("uue", uu),
}


def wrap(layers, payload, name=NAME):
    """The payload in the last layer, that in the one before, and so on outwards."""
    for layer in reversed(layers):
        suffix, function = WRAPPERS[layer]
        payload = function(name, payload)
        name = b"inner." + suffix.encode()
    return payload
