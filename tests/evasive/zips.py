# SPDX-License-Identifier: MIT
"""Zip: what its two directories can disagree about, and every way to pack or lock a member."""
import io
import struct
import zipfile
import zlib

from registry import Sample, family, later
from writers import (NAME, SECRET, Member, deflate, descriptor, pack, seven, simple_zip, tool, xz,
                     zip_crypto, zip_end, zip_parts, zipped)

DECOY = Member(b"readme.txt", b"nothing to see here\n" * 4)


def decoy(**other):
    return Member(DECOY.name, DECOY.data, **other)


# --- The directory lies --------------------------------------------------------------------------
@family("zip-directory")
def directory(payload):
    """Which members there are: local headers say one thing, the central directory another."""
    def target(**other):
        return Member(NAME, payload, **other)

    def make(recipe, data, intention, **other):
        return Sample("zipdir-" + recipe, data, intention, **other)

    body, central = zip_parts([target()])
    yield make("no-directory", body, "only a local header, no directory at all")
    yield make("no-end", body + central, "a directory, but no end record")
    yield make("empty-directory", body + zip_end(0, 0, len(body)), "the end record lists nothing")
    for place in range(3):
        members = [decoy(), Member(b"second.txt", b"also harmless\n")]
        members.insert(place, target(listed=False))
        yield make(f"unlisted-{place}", zipped(*members),
                   "a member that no directory lists, at each place among the others")
    yield make("unlisted-only", zipped(target(listed=False), decoy()),
               "a listed decoy after the unlisted member")
    for junk, what in ((b"\0" * 64, "zeros"), (b"PK\3\4", "signature"), (b"junk" * 2000, "junk")):
        yield make(f"gap-{what}", zipped(decoy(), target(before=junk)),
                   "bytes between two members, over which a stream reader stumbles")
    fake = Member(b"a.txt", b"x" * 10, method=0).local_header()
    yield make("gap-header", zipped(decoy(), target(before=fake)),
               "a local header without its data before the real one")
    yield make("overlap", zipped(decoy(), target(), Member(b"again.txt", payload, listed=False)),
               "the last member is not listed and holds the same")
    body, central = zip_parts([decoy(), target()])
    yield make("two-entries-one-place",
               body + central + target(central={"name": b"b.com"}).central_header(
                   len(decoy().local_header() + decoy().body()))
               + zip_end(3, len(central) * 2, len(body)), "two entries point at one member")
    first = zipped(target())
    second_body, second_central = zip_parts([decoy()], len(first))
    yield make("two-ends-first", first + second_body + second_central
               + zip_end(1, len(second_central), len(first) + len(second_body)),
               "two archives one after the other, the second with right offsets")
    first = zipped(decoy())
    body, central = zip_parts([target()], len(first))
    yield make("two-ends-second", first + body + central
               + zip_end(1, len(central), len(first) + len(body)),
               "two archives one after the other, the payload in the second", sound=True)
    yield make("two-joined", zipped(decoy()) + zipped(target()),
               "two archives simply joined; offsets of the second are off")
    yield make("two-joined-first", zipped(target()) + zipped(decoy()),
               "two archives simply joined, the payload in the first")
    body, central = zip_parts([target()])
    other_body, other_central = zip_parts([decoy()], len(body))
    yield make("two-ends-same-body", body + other_body + central + other_central
               + zip_end(1, len(central), len(body) + len(other_body))
               + zip_end(1, len(other_central), len(body) + len(other_body) + len(central)),
               "two end records at the end, each with a directory of its own")
    whole = zipped(decoy(), comment=zipped(target()))
    yield make("comment-holds-zip", whole, "the archive's comment is an archive")
    inner = zipped(target())
    yield make("comment-holds-end", zipped(target(), comment=zip_end(0, 0, 0)),
               "the comment holds an end record that lists nothing")
    yield make("member-comment-zip", zipped(decoy(central={"comment": inner})),
               "the comment of an entry is an archive")
    for name, lies in (("count-0", {"here": 0, "all": 0}), ("count-1", {"here": 1, "all": 1}),
                       ("count-many", {"here": 999, "all": 999}), ("size-0", {"size": 0}),
                       ("size-huge", {"size": 0x7FFFFFFF}), ("offset-0", {"offset": 0}),
                       ("offset-huge", {"offset": 0x7FFFFFFF}), ("comment-length",
                                                                 {"length": 500}),
                       ("offset-ones", {"offset": 0xFFFFFFFF})):
        yield make("end-" + name, zipped(decoy(), target(), **lies), "the end record lies")
    yield make("trailing-junk", zipped(target()) + b"\0" * 100, "zeros after the end")
    yield make("trailing-64k", zipped(target()) + b"junk" * 20000,
               "the end record is further from the end than anybody looks")
    yield make("multi-disk", zipped(target(), here=0), "an end record of a split archive")
    yield make("split-marker", b"PK00PK\3\4"[:4] + zipped(target(), counted=False),
               "the marker of a split archive that became one", sound=True)
    yield make("spanned-marker", b"PK\7\x08" + zipped(target(), counted=False),
               "the marker of a spanned archive")
    yield from zip64(payload)


def zip64(payload):
    """64-bit fields where they are not needed, and where they lie."""
    size = pack("QQ", len(payload), len(deflate(payload)))
    extra = pack("HH", 1, 16) + size
    member = Member(NAME, payload, extra=extra, local={"csize": 0xFFFFFFFF, "usize": 0xFFFFFFFF},
                    central={"csize": 0xFFFFFFFF, "usize": 0xFFFFFFFF})
    body, central = zip_parts([member])
    yield Sample("zip64-sizes", zipped(member), "sizes in the 64-bit extra field", sound=True)
    end64 = b"PK\6\6" + pack("QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(central), len(body))
    locator = b"PK\6\7" + pack("IQI", 0, len(body) + len(central), 1)
    tail = zip_end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    yield Sample("zip64-end", body + central + end64 + locator + tail,
                 "a 64-bit end record", sound=True)
    yield Sample("zip64-end-far", body + central + end64 + b"PK\6\7" + pack("IQI", 0, 1 << 60, 1)
                 + tail, "a 64-bit end record that is not where its locator says")
    other_body, other_central = zip_parts([decoy()], len(body) + len(central))
    both = body + central + other_body + other_central
    yield Sample("zip64-two-truths", both
                 + b"PK\6\6" + pack("QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(central), len(body))
                 + b"PK\6\7" + pack("IQI", 0, len(both), 1)
                 + zip_end(1, len(other_central), len(both) - len(other_central)),
                 "32-bit and 64-bit end record name different directories")


# --- A member's headers lie ----------------------------------------------------------------------
@family("zip-headers")
def headers(payload):
    """What a member is: method, sizes, flags, names."""
    def make(recipe, intention, member, *more, **other):
        return Sample("ziphead-" + recipe, zipped(member, *more), intention, **other)

    def target(**other):
        return Member(NAME, payload, **other)

    packed = deflate(payload)
    for side in ("local", "central"):
        lies = {"csize-0": {"csize": 0}, "usize-0": {"usize": 0}, "usize-1": {"usize": 1},
                "usize-huge": {"usize": 0x7FFFFFFF}, "csize-huge": {"csize": 0x7FFFFFFF},
                "csize-short": {"csize": len(packed) - 3}, "crc": {"crc": 1},
                "method-stored": {"method": 0}, "method-unknown": {"method": 77},
                "encrypted": {"flags": 1}, "strong": {"flags": 0x41}, "patch": {"flags": 0x20},
                "masked": {"flags": 0x2000}, "version": {"version": 255},
                "name": {"name": b"readme.txt"}, "name-longer": {"name": b"a" * 300}}
        for name, lie in lies.items():
            yield make(f"{side}-{name}", f"the {side} header lies: {name}", target(**{side: lie}))
    for name, lie in (("crc", {"crc": 1}), ("usize-1", {"usize": 1}), ("sizes-0", {
            "csize": 0, "usize": 0}), ("encrypted", {"flags": 1}), ("version", {"version": 255})):
        yield make(f"both-{name}", f"both headers lie: {name}", target(local=lie, central=lie))
    yield make("method-swap", "stored, and both headers say deflated",
               target(method=0, local={"method": 8}, central={"method": 8}))
    yield make("method-central-deflated", "stored, the directory says deflated",
               target(method=0, central={"method": 8}))
    for mark in (True, False):
        word = "" if mark else "-unmarked"
        empty = {"crc": 0, "csize": 0, "usize": 0}
        yield make(f"descriptor{word}", "sizes follow the data", target(
            flags=8, local=empty, after=descriptor(payload, packed, mark)), sound=True)
        yield make(f"descriptor-stored{word}", "stored, sizes follow the data", target(
            method=0, flags=8, local=empty, after=descriptor(payload, payload, mark)))
    yield make("descriptor-missing", "sizes should follow, and don't",
               target(flags=8, local={"crc": 0, "csize": 0, "usize": 0}))
    yield make("descriptor-lies", "the descriptor says zero", target(
        flags=8, local={"crc": 0, "csize": 0, "usize": 0}, after=b"PK\7\x08" + b"\0" * 12))
    yield make("descriptor-unflagged", "sizes zero in front, no flag, descriptor behind", target(
        local={"crc": 0, "csize": 0, "usize": 0}, after=descriptor(payload, packed)))
    yield make("after-deflate", "bytes after the end of the deflated data",
               target(packed=packed + b"more bytes"))
    stored_blocks = b"\0\0\0\xff\xff" * 500
    yield make("empty-blocks", "500 empty blocks before the data",
               target(packed=stored_blocks + packed), sound=True)
    yield make("signature-broken", "the local header's signature is not one",
               target(signature=b"PK\3\5"))
    yield make("extra-broken", "an extra field longer than it is",
               target(extra=pack("HH", 0x5455, 500) + b"abc"))
    yield make("extra-local-length", "the local header's extra field reaches into the data",
               target(local={"extra_length": 4}))
    yield make("offset-into", "the directory points beside the member",
               target(central={"offset": 3}))
    yield make("directory-attribute", "the directory says that it is a directory",
               target(central={"attributes": 0x41ED0010}))
    yield make("symlink-attribute", "the directory says that it is a link",
               target(central={"attributes": 0xA1FF0000}))
    inner = simple_zip(NAME, payload)
    yield make("stored-in-stored", "a stored archive in a stored archive",
               Member(b"inner.zip", zipped(Member(b"inner.zip", inner, method=0)), method=0),
               sound=True)
    yield make("extra-holds-zip", "an extra field holds an archive",
               decoy(extra=pack("HH", 0xCAFE, len(inner)) + inner))
    path = pack("HHBI", 0x7075, 5 + 10, 1, zlib.crc32(NAME)) + b"readme.txt"
    yield make("unicode-path", "the Unicode path says another name", target(extra=path))
    yield from names(payload)


def names(payload):
    """Names are data; none of them may keep a member from being looked at."""
    table = {
        "absolute": b"/etc/eicar.com", "parent": b"../../../eicar.com", "dot": b".",
        "dotdot": b"..", "drive": b"C:\\eicar.com", "backslash": b"..\\..\\eicar.com",
        "nul": b"readme.txt\0eicar.com", "nul-first": b"\0eicar.com", "slash": b"eicar.com/",
        "empty": b"", "long": b"a/" * 2000 + NAME, "longest": b"n" * 65000, "latin1": b"\xe9.com",
        "control": b"\x1b[2Jeicar\n\r.com", "bidi": "moc.\u202eeicar.txt".encode(),
        "device": b"NUL", "stream": b"a.txt:eicar.com", "dash": b"-rf", "space": b" ",
        "percent": b"%s%n%x", "macosx": b"__MACOSX/._eicar.com", "ds": b"eicar.com\\",
    }
    for name, spelled in table.items():
        yield Sample("zipname-" + name, zipped(Member(spelled, payload)),
                     "a name that an unpacker stumbles over", sound=name in (
                         "parent", "absolute", "latin1", "dash", "percent", "macosx"))
    same = Member(NAME, b"nothing to see here\n")
    for name, members in (("first", (Member(NAME, payload), same)),
                          ("second", (same, Member(NAME, payload))),
                          ("case", (Member(b"EICAR.COM", b"harmless"), Member(NAME, payload)))):
        yield Sample(f"zipname-twice-{name}", zipped(*members), "two members of one name",
                     sound=True)
    crowd = [Member(b"%d.txt" % number, b"harmless %d\n" % number) for number in range(300)]
    yield Sample("zipname-crowd", zipped(*crowd, Member(NAME, payload)), "the last of 301",
                 sound=True)


# --- Methods -------------------------------------------------------------------------------------
@family("zip-methods")
def methods(payload):
    """Every method that some packer writes, and every lock."""
    def by_python(method):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            info = zipfile.ZipInfo(NAME.decode(), (2026, 1, 2, 3, 4, 6))
            info.compress_type = method
            archive.writestr(info, payload)
        return out.getvalue()

    def make(recipe, data, intention=None, **other):
        return Sample("zipmethod-" + recipe, data, intention or f"a member packed by {recipe}",
                      **other)

    yield make("store", by_python(zipfile.ZIP_STORED), sound=True)
    yield make("deflate", by_python(zipfile.ZIP_DEFLATED), sound=True)
    yield make("bzip2", by_python(zipfile.ZIP_BZIP2), sound=True)
    yield make("lzma", by_python(zipfile.ZIP_LZMA), sound=True)
    for name in ("Deflate64", "PPMd", "BZip2", "LZMA"):
        yield make(f"7z-{name.lower()}", later(seven, ((NAME, payload),), "zip", f"-mm={name}"),
                   sound=name in ("BZip2", "LZMA"))
    yield make("xz", zipped(Member(NAME, payload, method=95, packed=xz(payload))), sound=True)
    yield make("zstd", lambda: zipped(Member(
        NAME, payload, method=93, packed=tool("zstd", "-q", "-c", data=payload))))
    for number in (1, 2, 6, 10, 18, 94, 96, 97, 98, 99, 200):
        yield make(f"number-{number}", zipped(Member(NAME, payload, method=number,
                                                     packed=deflate(payload))),
                   f"says method {number}, is deflated", best="unsupported")
    yield from locks(payload)


def locks(payload):
    locked = {"best": "encrypted", "password": SECRET}
    body = zip_crypto(SECRET, payload)
    lock = Member(NAME, payload, flags=1, packed=body)
    yield Sample("zipcrypt-pkware", zipped(lock), "PKWARE's encryption", **locked)
    yield Sample("zipcrypt-mixed", zipped(decoy(), lock), "one open member, one locked", **locked)
    yield Sample("zipcrypt-mixed-open", zipped(lock, Member(b"open.com", payload)),
                 "one locked member, the payload in the open as well")
    yield Sample("zipcrypt-unflagged", zipped(Member(NAME, payload, packed=body)),
                 "encrypted, and no flag says so", best="corrupt")
    yield Sample("zipcrypt-flag-central", zipped(Member(NAME, payload, packed=body,
                                                        central={"flags": 1})),
                 "encrypted, only the directory says so", best="encrypted")
    yield Sample("zipcrypt-nested", zipped(Member(b"inner.zip", zipped(lock))),
                 "a locked archive in an open one", **locked)
    for bits in (128, 256):
        yield Sample(f"zipcrypt-aes{bits}", aes_stub(payload, bits),
                     "the layout of AES encryption; nobody has the key", best="encrypted")
    yield Sample("zipcrypt-7z-aes", later(seven, ((NAME, payload),), "zip", f"-p{SECRET}",
                                          "-mem=AES256"),
                 "AES by 7z", **locked)
    yield Sample("zipcrypt-7z-pkware", later(seven, ((NAME, payload),), "zip", f"-p{SECRET}",
                                             "-mem=ZipCrypto"), "PKWARE's by 7z", **locked)
    yield Sample("7zcrypt-data", later(seven, ((NAME, payload),), "7z", f"-p{SECRET}"),
                 "7z with locked data", **locked)
    yield Sample("7zcrypt-names", later(seven, ((NAME, payload),), "7z", f"-p{SECRET}", "-mhe=on"),
                 "7z with locked names as well", **locked)


def aes_stub(payload, bits):
    """Salt, check value and code are there; what they lock is not to be had."""
    salt = {128: 8, 256: 16}[bits]
    body = bytes(range(salt + 2)) + bytes(byte ^ 0x5A for byte in payload) + b"\0" * 10
    extra = struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", {128: 1, 256: 3}[bits], 0)
    head = {"method": 99, "flags": 1, "crc": 0}
    return zipped(Member(NAME, payload, packed=body, extra=extra, local=head, central=head))

