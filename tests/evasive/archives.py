# SPDX-License-Identifier: MIT
"""Archives and compressed streams other than zip: old forms, broken sums, several in a row."""
import bz2
import tarfile
import zlib

from registry import Sample, family, later
from writers import (NAME, ar, cab, deb, deflate, gz, iso, lha, lzma_alone, newc, odc, old_cpio,
                     pack, padded, rar4, rar5, rpm, seven, simple_zip, tar_header, tarred, tool,
                     unix_compress, xar, xz)

CLEAN = b"nothing to see here\n"
END = b"\0" * 1024  # of a tar


# --- tar -----------------------------------------------------------------------------------------
@family("tar")
def tars(payload):
    def make(recipe, data, intention, **other):
        return Sample("tar-" + recipe, data, intention, **other)

    body = padded(payload)
    size = len(payload)
    plain = tar_header(NAME, size) + body
    clean = tar_header(b"readme.txt", len(CLEAN)) + padded(CLEAN)
    for name, magic in (("v7", b""), ("ustar", b"ustar\0" b"00"), ("gnu", b"ustar  \0"),
                        ("odd-magic", b"ustbr\0" b"00")):
        yield make(name, tar_header(NAME, size, magic=magic) + body + END, f"{name} headers",
                   sound=name != "odd-magic")
    long_name = b"directory/" * 30 + NAME
    yield make("gnu-long", tarred((long_name, payload)), "a long name, GNU", sound=True)
    yield make("pax-long", tarred((long_name, payload), form=tarfile.PAX_FORMAT),
               "a long name, pax", sound=True)
    yield make("pax-path", tarred((NAME, payload), form=tarfile.PAX_FORMAT,
                                  pax={"path": "../../../etc/passwd", "comment": "x" * 5000}),
               "pax says another path", sound=True)
    yield make("pax-size", pax(b"size", b"%d" % size) + tar_header(NAME, 0) + body + END,
               "the size is only in the pax header")
    yield make("pax-size-lies", pax(b"size", b"0") + plain + END, "pax says that it is empty")
    yield make("pax-broken", tar_header(b"pax", 20, kind=b"x") + padded(b"9999 path=a\n".ljust(20))
               + plain + END, "a pax record longer than its header")
    yield make("pax-global", tar_header(b"g", 18, kind=b"g") + padded(b"18 comment=global\n")
               + plain + END, "a global pax header in front", sound=True)
    yield make("sparse-gnu", sparse(payload), "GNU sparse: the data is a fragment")
    yield make("bad-checksum", tar_header(NAME, size, checksum=1) + body + END,
               "the header's sum is wrong")
    yield make("bad-checksum-second", clean + tar_header(NAME, size, checksum=1) + body + END,
               "the second header's sum is wrong")
    signed = tar_header(NAME.replace(b"e", b"\xe9", 1), size)
    total = sum(byte - 256 if byte > 127 else byte for byte in signed[:148] + b" " * 8
                + signed[156:])
    yield make("signed-checksum", signed[:148] + b"%06o\0 " % total + signed[156:] + body + END,
               "the sum of signed bytes, as old programs wrote it")
    yield make("no-end", plain, "no end blocks", sound=True)
    yield make("one-end", plain + b"\0" * 512, "one end block", sound=True)
    yield make("no-padding", tar_header(NAME, size) + payload, "cut behind the last byte")
    yield make("joined", clean + END + plain + END, "two archives joined: behind the end")
    yield make("joined-far", clean + END * 20 + plain + END, "behind twenty times the end")
    yield make("after-end-zip", clean + END + simple_zip(NAME, payload),
               "a zip behind the end of a tar")
    yield make("after-end-plain", clean + END + payload, "the payload itself behind the end")
    yield make("prefix-junk", b"\x01" * 512 + plain + END, "a block of junk in front")
    yield make("prefix-odd", b"\x01" * 77 + plain + END, "junk that is no block in front")
    yield make("prefix-zeros", b"\0" * 512 + plain + END, "an empty block in front")
    yield make("block-between", clean + b"\0" * 512 + plain + END, "an empty block between")
    for name, kind in (("contiguous", b"7"), ("old", b"\0"), ("unknown", b"Z"), ("dump", b"D"),
                       ("multi", b"M"), ("volume", b"V")):
        yield make(f"kind-{name}", tar_header(NAME, size, kind=kind) + body + END,
                   f"a member of kind {name}", sound=kind in (b"7", b"\0"))
    for name, kind in (("link", b"1"), ("symlink", b"2"), ("device", b"3"), ("directory", b"5")):
        yield make(f"kind-{name}", tar_header(NAME, size, kind=kind, link=b"readme.txt") + body
                   + END, f"a {name} with data")
    yield make("slash", tar_header(b"eicar.com/", size, magic=b"") + body + END,
               "a directory by its name, with data")
    yield make("size-octal-spaces", tar_header(NAME, b"%11o " % size) + body + END,
               "a size with spaces")
    yield make("size-binary", tar_header(NAME, b"\x80" + size.to_bytes(11, "big")) + body + END,
               "a size in base 256", sound=True)
    yield make("size-negative", tar_header(b"a", b"\xff" * 12) + plain + END, "a size below zero")
    yield make("size-huge", tar_header(b"a", 0o77777777777) + plain + END,
               "a first member larger than the file")
    yield make("size-junk", tar_header(NAME, b"zzzzzzzzzzz\0") + body + END, "a size of letters")
    yield make("empty-name", tar_header(b"", size) + body + END, "no name")
    yield make("parent", tar_header(b"../../eicar.com", size) + body + END, "a climbing name",
               sound=True)
    yield make("many", b"".join(tar_header(b"%d" % n, 4) + padded(b"none") for n in range(500))
               + plain + END, "the last of 501", sound=True)


def pax(key, value):
    record = b" " + key + b"=" + value + b"\n"
    length = len(record) + len(str(len(record) + 2))
    record = b"%d" % length + record
    return tar_header(b"pax", len(record), kind=b"x") + padded(record)


def sparse(payload):
    """Old GNU: one fragment at 0 with all the data, and a hole of a block behind it."""
    head = bytearray(tar_header(NAME, len(payload), kind=b"S", magic=b"ustar  \0"))
    head[386:410] = b"%011o\0%011o\0" % (0, len(payload))
    head[410:434] = b"%011o\0%011o\0" % (len(payload) + 512, 0)
    head[483:495] = b"%011o\0" % (len(payload) + 512)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + padded(payload) + END


# --- gzip and other streams ----------------------------------------------------------------------
@family("gzip")
def gzips(payload):
    def make(recipe, data, intention, **other):
        return Sample("gzip-" + recipe, data, intention, **other)

    half = len(payload) // 2
    yield make("members", gz(payload[:half]) + gz(payload[half:]), "halves in two members",
               sound=True)
    yield make("bytes", b"".join(gz(payload[at:at + 1]) for at in range(len(payload))),
               "a member for every byte", sound=True)
    yield make("empty-first", gz(b"") + gz(payload), "an empty member first", sound=True)
    yield make("empty-hundred", gz(b"") * 100 + gz(payload), "a hundred empty members first",
               sound=True)
    yield make("clean-zip-second", gz(CLEAN) + simple_zip(NAME, payload), "then a zip")
    yield make("zeros-between", gz(b"") + b"\0" * 512 + gz(payload), "zeros between members")
    yield make("junk-between", gz(b"") + b"junk" + gz(payload), "junk between members")
    yield make("wrong-crc", gz(payload, crc=1), "a wrong sum")
    yield make("wrong-size", gz(payload, size=1), "a wrong size")
    yield make("wrong-first", gz(b"", crc=1) + gz(payload), "a wrong sum in the first member")
    yield make("junk-after", gz(payload) + b"junk behind", "junk behind")
    yield make("zeros-after", gz(payload) + b"\0" * 1000, "zeros behind")
    yield make("no-trailer", gz(payload)[:-8], "no sum, no size")
    yield make("half-trailer", gz(payload)[:-3], "cut in the trailer")
    yield make("unfinished", gz(payload, packed=unfinished(payload))[:-8], "no end of the stream")
    yield make("stored", gz(payload, packed=deflate(payload, 0)), "stored blocks", sound=True)
    yield make("name", gz(payload, flags=8, fields=b"../../eicar.com\0"), "a climbing name",
               sound=True)
    yield make("all-fields", gz(payload, flags=0x1D, fields=pack("H", 4) + b"abcd" + b"n\0c\0"),
               "every optional field", sound=True)
    header = b"\x1f\x8b\x08\x02" + pack("I", 1767323046) + b"\2\3"
    yield make("header-crc", gz(payload, flags=2, fields=pack("H", zlib.crc32(header) & 0xFFFF)),
               "a sum over the header", sound=True)
    yield make("header-crc-wrong", gz(payload, flags=2, fields=b"\0\0"), "a wrong header sum")
    yield make("reserved-flags", gz(payload, flags=0xE0), "flags that nobody defined")
    yield make("method-9", gz(payload)[:2] + b"\x09" + gz(payload)[3:], "an unknown method",
               best="unsupported")


def unfinished(payload):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)


def _by(*words):
    return lambda data: tool(*words, data=data)


STREAMS = {"bz2": bz2.compress, "xz": xz, "lzma": lzma_alone, "z": unix_compress,
           "zst": _by("zstd", "-q", "-c"), "lz4": _by("lz4", "-q", "-c", "-"),
           "lz": _by("lzip", "-q", "-c")}
CONCATENATED = ("bz2", "xz", "zst", "lz4", "lz")  # formats in which streams in a row are one


@family("streams")
def streams(payload):
    half = len(payload) // 2
    for name, function in STREAMS.items():
        def make(recipe, build, intention, name=name, **other):
            return Sample(f"stream-{name}-{recipe}", build, intention, suffix=name, **other)
        one = later(function, payload)
        joins = name in CONCATENATED
        yield make("plain", one, "one stream", sound=True)
        yield make("halves", lambda f=function: f(payload[:half]) + f(payload[half:]),
                   "halves in two streams", sound=joins)
        yield make("empty-first", lambda f=function: f(b"") + f(payload), "an empty stream first",
                   sound=joins)
        if not joins:
            yield make("clean-first", lambda f=function: f(CLEAN) + f(payload),
                       "a harmless stream first")
        yield make("zip-after", lambda f=function: f(CLEAN) + simple_zip(NAME, payload),
                   "a zip behind a harmless stream")
        yield make("junk-after", lambda f=function: f(payload) + b"junk behind", "junk behind")
        yield make("cut", lambda f=function: f(payload)[:-5], "the last bytes are missing")
    skippable = pack("II", 0x184D2A50, 300) + b"x" * 300
    for name in ("zst", "lz4"):
        yield Sample(f"stream-{name}-skippable", lambda f=STREAMS[name]: skippable + f(payload),
                     "a frame to be skipped in front", suffix=name)
        yield Sample(f"stream-{name}-in-skippable",
                     lambda f=STREAMS[name]: pack("II", 0x184D2A5F, len(f(payload)))
                     + f(payload) + f(CLEAN), "hidden in a frame that is skipped", suffix=name)
    yield Sample("stream-xz-padding", xz(b"") + b"\0" * 8 + xz(payload),
                 "padding between streams", suffix="xz", sound=True)
    yield Sample("stream-xz-odd-padding", xz(b"") + b"\0" * 7 + xz(payload),
                 "padding that breaks the rule", suffix="xz")
    yield Sample("stream-xz-no-check", xz(payload, check=0), "no sum", suffix="xz", sound=True)
    yield Sample("stream-brotli", later(tool, "brotli", "-c", data=payload),
                 "brotli, known by its name only", suffix="br", best="infected")


# --- The other archives --------------------------------------------------------------------------
@family("archives")
def others(payload):
    def make(recipe, data, intention, **other):
        return Sample("arc-" + recipe, data, intention, **other)

    files = ((NAME, payload), (b"readme.txt", CLEAN))
    yield make("cpio-newc", newc(NAME, payload), "cpio, new", sound=True)
    yield make("cpio-crc", newc(NAME, payload, b"070702"), "cpio with sums", sound=True)
    yield make("cpio-odc", odc(NAME, payload), "cpio, portable", sound=True)
    yield make("cpio-old", old_cpio(NAME, payload), "cpio, binary", sound=True)
    yield make("cpio-no-trailer", newc(NAME, payload)[:-100], "cpio without its end")
    yield make("cpio-joined", newc(b"readme.txt", CLEAN) + newc(NAME, payload),
               "two cpio archives joined, as a kernel reads them")
    yield make("ar-gnu", ar((NAME, payload)), "ar", sound=True)
    yield make("ar-bsd", ar((b"#1/12", b"eicar.com\0\0\0" + payload)), "ar with a BSD name",
               sound=True)
    yield make("ar-gnu-long", ar((b"/0", payload), names=b"a_rather_long_name.com/\n"),
               "ar with a name table", sound=True)
    yield make("ar-names", ar((b"readme.txt", CLEAN), names=payload),
               "the payload where names belong")
    yield make("ar-odd", b"!<arch>\n" + ar((NAME, payload))[8:].replace(b"`\n", b"!!"),
               "a member header with a wrong end")
    yield make("deb-xz", deb(payload), "a Debian package", sound=True)
    yield make("deb-gz", deb(payload, gz, b"gz"), "a Debian package, gzip", sound=True)
    yield make("deb-plain", deb(payload, bytes, b""), "a Debian package, not packed")
    yield make("deb-lies", deb(payload, bz2.compress, b"xz"),
               "a Debian package that names the wrong packer")
    yield make("rpm", later(rpm, payload), "an RPM package", sound=True)
    for name, options in (("plain", ()), ("rock", ("-R",)), ("joliet", ("-J",)),
                          ("both", ("-J", "-R")), ("udf", ("-udf",)), ("level4", (
                              "-iso-level", "4")), ("zisofs", ("-R", "-z"))):
        yield make(f"iso-{name}", later(iso, files, *options), f"a disc image, {name}",
                   sound=True)
    yield make("iso-hidden", lambda: iso(files, "-R", "-hide", "eicar.com"),
               "in no directory of the image, but in its data")
    yield make("iso-joliet-only", lambda: iso(files, "-J", "-hide", "eicar.com"),
               "in one of two directories only")
    yield make("iso-rock-only", lambda: iso(files, "-J", "-R", "-hide-joliet", "eicar.com"),
               "in the other of two directories only")
    yield make("iso-raw-2352", lambda: raw_sectors(iso(files, "-R")), "raw sectors of 2352 bytes")
    yield make("cab-stored", cab(NAME, payload), "a cabinet, stored", sound=True)
    yield make("cab-mszip", cab(NAME, payload, True), "a cabinet, MSZIP", sound=True)
    broken = bytearray(cab(NAME, payload))
    broken[-len(payload) - 8] ^= 1
    yield make("cab-checksum", bytes(broken), "a cabinet with a wrong sum")
    yield make("rar4", rar4(NAME, payload), "RAR 4, stored", sound=True)
    yield make("rar5", rar5(NAME, payload), "RAR 5, stored", sound=True)
    yield make("rar4-locked", rar4(NAME, payload, flags=4), "RAR 4, says that it is locked",
               best="encrypted")
    yield make("rar4-packed", rar4(NAME, payload, method=0x33), "RAR 4, says that it is packed",
               best="corrupt")
    yield make("rar4-split", rar4(NAME, payload, flags=2), "RAR 4, goes on in the next volume")
    yield make("rar4-no-end", rar4(NAME, payload)[:-7], "RAR 4 without its end")
    yield make("rar4-sfx", b"MZ" + b"\0" * 510 + rar4(NAME, payload), "RAR 4 behind a stub")
    yield make("rar5-sfx", b"MZ" + b"\0" * 510 + rar5(NAME, payload), "RAR 5 behind a stub")
    yield make("rar4-comment", rar4(b"readme.txt", CLEAN) + rar4(NAME, payload),
               "two RAR archives joined")
    yield make("lha", lha(NAME, payload), "LHA, stored", sound=True)
    yield make("xar", xar(NAME, payload), "XAR", sound=True)
    for method in ("LZMA", "LZMA2", "PPMd", "BZip2", "Deflate", "Deflate64", "Copy"):
        yield make(f"7z-{method.lower()}", later(seven, files, "7z", f"-m0={method}"),
                   f"7z packed by {method}", sound=method != "Deflate64")
    yield make("7z-solid-off", later(seven, files, "7z", "-ms=off"), "7z, not solid", sound=True)
    yield make("7z-plain-header", later(seven, files, "7z", "-mhc=off"),
               "7z with a header that is not packed", sound=True)
    yield make("7z-bcj2", later(seven, files, "7z", "-mf=BCJ2"), "7z with a filter for programs")
    yield make("7z-delta", later(seven, files, "7z", "-m0=Delta:4", "-m1=LZMA"),
               "7z with a delta filter")
    yield make("7z-joined", lambda: seven(((b"readme.txt", CLEAN),), "7z")
               + seven(((NAME, payload),), "7z"), "two 7z archives joined")
    yield make("7z-volumes", lambda: seven(files, "7z")[:-30], "the first volume of a split 7z")
    yield make("wim", later(seven, files, "wim"), "a Windows image", best="unsupported")
    yield make("ar-in-order", ar((b"a", gz(CLEAN)), (b"b", xz(payload))), "packed members of ar",
               sound=True)


def raw_sectors(image):
    """As burning programs write them: sync, address and mode before each 2048 bytes."""
    out = b""
    for number, at in enumerate(range(0, len(image), 2048)):
        out += (b"\0" + b"\xff" * 10 + b"\0" + number.to_bytes(3, "big") + b"\1"
                + image[at:at + 2048].ljust(2048, b"\0") + b"\0" * 288)
    return out
