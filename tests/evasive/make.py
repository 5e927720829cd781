# SPDX-License-Identifier: MIT
"""Write a folder of containers that try to carry a file past a scanner:

    make.py DIR              evasive/ and clean/, and manifest.json that says what each is for

The same bytes each time, but for what 7z locks and for Windows and UDF images. Every file in
evasive/ holds the EICAR test file somewhere; clean/ holds counterparts, made the same way around a
harmless text. Recipes whose tool is missing are left out and counted.
"""
import dataclasses
import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tools")]

import archives  # noqa: E402,F401 (fills FAMILIES)
import documents  # noqa: E402
import mails  # noqa: E402,F401
import samples  # noqa: E402
import zips  # noqa: E402,F401
from compound import compound  # noqa: E402
from registry import FAMILIES, Sample, family, later  # noqa: E402
from writers import (NAME, WRAPPERS, Member, Missing, ar, gz, iso, mail, pack, padded,  # noqa: E402
                     rar4, rar5, seven, simple_zip, tar_header, tarred, uu, wrap, zipped)

SEED = 20260102
DEPTH_LIMIT = 16  # the deepest level that must be looked at
CONTROLS = 4      # clean counterparts of each family
HARMLESS = b"These are sixty-eight harmless bytes, just as many as the other has\n"


def suffix(layer):
    return WRAPPERS[layer][0]


# --- Containers in containers --------------------------------------------------------------------
PAIRED = ("zip", "gz", "bz2", "xz", "lzma", "zst", "lz4", "lz", "z", "tar", "7z", "cpio", "ar",
          "iso", "cab", "rar", "rar5", "lha", "xar", "mail")
MIXED = ("zip", "gz", "tar", "7z", "xz", "mail", "bz2", "cab")


@family("nest-pairs")
def pairs(payload):
    """Every container in every other."""
    for outer in PAIRED:
        for inner in PAIRED:
            yield Sample(f"nest-{outer}-{inner}", later(wrap, (outer, inner), payload),
                         f"{inner} in {outer}", sound=True)


@family("nest-mixed")
def mixed(payload):
    """Three to six layers, drawn by lot."""
    draw = random.Random(SEED)
    for number in range(40):
        layers = tuple(draw.choices(PAIRED, k=3 + number % 4))
        yield Sample(f"nest-{'-'.join(layers)}", later(wrap, layers, payload),
                     f"{len(layers)} layers", sound=True)


@family("nest-depth")
def depths(payload):
    """The same thing in itself, up to and over the limit."""
    for kind in ("zip", "gz", "tar", "mail", "7z", "mixed"):
        for depth in (1, 2, 3, 4, 6, 8, 12, 15, 17, 20):
            layers = [MIXED[level % len(MIXED)] if kind == "mixed" else kind
                      for level in range(depth)]
            inside = depth < DEPTH_LIMIT
            yield Sample(f"depth-{kind}-{depth:02}", later(wrap, layers, payload),
                         f"{depth} levels of {kind}", sound=inside,
                         best="infected" if inside else "limit_exceeded")


# --- Names, and what stands in front and behind --------------------------------------------------
@family("names")
def names(payload):
    """A name says nothing about the content."""
    layers = [*PAIRED, "uu"]
    for number, layer in enumerate(layers):
        other = suffix(layers[(number + 7) % len(layers)])
        yield Sample(f"name-{layer}-none", later(wrap, [layer], payload), "no extension",
                     suffix="", sound=True)
        yield Sample(f"name-{layer}-as", later(wrap, [layer], payload), "another's extension",
                     suffix=other, sound=True)
        yield Sample(f"name-{layer}-image", later(wrap, [layer], payload), "called a picture",
                     suffix="jpg", sound=True)


PNG = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3a\x7e\x9b\x55"
       b"\0\0\0\nIDATx\xda\x63\x68\0\0\0\x82\0\x81\x4c\x17\xd7\xdf\0\0\0\0IEND\xaeB`\x82")
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
JPEG = (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb\0\x43\0" + b"\x10" * 64
        + b"\xff\xd9")
ID3 = b"ID3\3\0\0\0\0\0\x0a" + b"\0" * 10

PREFIXES = {
    "junk": bytes(random.Random(SEED).randbytes(1000)), "byte": b"\n",
    "mz": b"MZ\x90\0" + b"\0" * 56 + pack("I", 64) + b"PE\0\0L\1\0\0" + b"\0" * 500,
    "elf": b"\x7fELF\2\1\1" + b"\0" * 300,
    "shell": b"#!/bin/sh\ntail -n +4 \"$0\" | unzip -\nexit 0\n\n", "text": b"Dear Bob,\n" * 40,
    "html": b"<!DOCTYPE html><html><body>hello</body></html>\n",
    "png": PNG, "gif": GIF, "jpeg": JPEG, "pdf": b"%PDF-1.4\n%%EOF\n", "far": b"\0" * 70000,
    "rtf": b"{\\rtf1 hello}\n",
}
CARRIED = ("zip", "7z", "rar", "rar5", "tar", "gz", "xz", "cab", "mail", "lha")


@family("prefix")
def prefixes(payload):
    """Something else stands in front of the archive."""
    for name, prefix in PREFIXES.items():
        for layer in CARRIED:
            yield Sample(f"prefix-{name}-{layer}",
                         lambda p=prefix, one=layer: p + wrap([one], payload),
                         f"{name} before {layer}")
        yield Sample(f"prefix-{name}-zip-counted",
                     zipped(Member(NAME, payload), prefix=prefix),
                     f"{name} before a zip whose offsets know of it")


@family("appended")
def appended(payload):
    """Something else stands behind a container that holds nothing."""
    harmless = b"nothing to see here\n"
    for outer in PAIRED:
        for inner in ("zip", "7z") if outer == "gz" else ("zip", "gz", "7z"):
            yield Sample(f"append-{outer}-{inner}",
                         lambda o=outer, i=inner: wrap([o], harmless, b"readme.txt")
                         + wrap([i], payload), f"{inner} behind {outer}")


@family("slack")
def slack(payload):
    """Places in a format that hold bytes which nobody looks at."""
    def make(recipe, data, intention):
        return Sample("slack-" + recipe, data, intention)

    inner = simple_zip(NAME, payload)
    clean = Member(b"readme.txt", b"nothing to see here\n")
    for name, data in (("zip", inner), ("gz", gz(payload)), ("mail", mail(NAME, payload))):
        yield make(f"zip-comment-{name}", zipped(clean, comment=data), f"{name} in a comment")
        field = pack("HH", 0x4242, len(data)) + data
        yield make(f"zip-extra-{name}", zipped(Member(clean.name, clean.data, extra=field)),
                   f"{name} in an extra field")
        extra = b"XX" + pack("H", len(data)) + data
        yield make(f"gzip-extra-{name}", gz(clean.data, flags=4,
                                            fields=pack("H", len(extra)) + extra),
                   f"{name} in gzip's extra field")
        yield make(f"png-trailing-{name}", PNG + data, f"{name} behind a picture")
        yield make(f"jpeg-trailing-{name}", JPEG + data, f"{name} behind a picture")
        yield make(f"jpeg-comment-{name}", JPEG[:2] + b"\xff\xfe"
                   + (len(data) + 2).to_bytes(2, "big") + data + JPEG[2:], f"{name} in a comment")
        yield make(f"gif-trailing-{name}", GIF + data, f"{name} behind a picture")
        size = len(data) + 11
        yield make(f"id3-{name}", b"ID3\3\0\0" + bytes([size >> 21 & 127, size >> 14 & 127,
                                                       size >> 7 & 127, size & 127])
                   + b"GEOB" + len(data).to_bytes(4, "big") + b"\0\0" + b"\0" + data,
                   f"{name} in the tag of a song")
        yield make(f"tar-padding-{name}", tar_header(clean.name, 20) + padded(
            clean.data.ljust(20)[:20] + data) + b"\0" * 1024, f"{name} in the padding of a block")
        yield make(f"gzip-after-{name}", gz(b"") + data, f"{name} behind gzip")
        yield make(f"7z-after-{name}",
                   lambda d=data: seven(((clean.name, clean.data),), "7z") + d, f"{name} behind 7z")
        yield make(f"rar-between-{name}", rar4(clean.name, clean.data)[:-7] + data,
                   f"{name} instead of RAR's end")
    yield make("gzip-comment-uu", gz(clean.data, flags=16, fields=uu(NAME, payload) + b"\0"),
               "uuencode in gzip's comment")


# --- Two formats in one --------------------------------------------------------------------------
@family("polyglot")
def polyglots(payload):
    def make(recipe, data, intention):
        return Sample("poly-" + recipe, data, intention)

    inner, clean = simple_zip(NAME, payload), simple_zip(b"readme.txt", b"nothing\n")
    empty_pdf = documents.pdf(b"nothing")
    for name, other in (("gif", GIF), ("png", PNG), ("jpeg", JPEG), ("pdf", empty_pdf),
                        ("id3", ID3), ("rtf", b"{\\rtf1 hello}"),
                        ("tar", tarred((b"readme.txt", b"nothing\n"))),
                        ("gz", gz(b"nothing\n")), ("mail", mail(b"a", b"nothing\n")),
                        ("ole", compound({"WordDocument": b"nothing\n"})),
                        ("cab", wrap(["cab"], b"nothing\n")), ("ar", ar((b"a", b"nothing\n"))),
                        ("rar", rar4(b"a", b"nothing\n")), ("html", b"<html></html>\n")):
        yield make(f"{name}-zip", zipped(Member(NAME, payload), prefix=other),
                   f"{name} from the front, zip from the back")
    yield make("iso-zip", lambda: iso(((b"readme.txt", b"nothing\n"),)) + inner,
               "an image from the front, zip from the back")
    yield make("zip-iso", lambda: inner + iso(((b"readme.txt", b"nothing\n"),))[len(inner):],
               "a zip in the unused first sectors of an image")
    yield make("tar-iso", lambda: iso_area(wrap(["tar"], payload)),
               "a tar in the unused first sectors of an image")
    yield make("gz-iso", lambda: iso_area(gz(payload)), "gzip in the first sectors of an image")
    yield make("zip-pdf", zipped(Member(b"a.pdf", documents.pdf(payload), method=0)) + b"%%EOF\n",
               "a stored PDF in a zip: both at once")
    yield make("pdf-in-text", b"Dear Bob,\n" * 20 + documents.pdf(payload), "a PDF behind text")
    yield make("mail-zip-comment", clean[:-2] + pack("H", len(mail(NAME, payload)))
               + mail(NAME, payload), "a mail in a zip's comment")
    yield make("mail-preamble-zip", mail(NAME, b"nothing\n", text=inner), "a zip in mail text")
    yield make("tar-named-zip", padded_tar(inner), "a tar's first name is a zip's header")
    yield make("html-mail", b"<!-- \n" + mail(NAME, payload) + b"\n-->", "a mail in a comment")
    yield make("shell-tar", b"#!/bin/sh\nexit 0\n".ljust(512, b"\n") + wrap(["tar"], payload),
               "a script from the front, tar behind")
    yield make("rar4-rar5", rar4(b"a", b"nothing\n") + rar5(NAME, payload), "two kinds of RAR")
    yield make("zip-7z", lambda: clean + seven(((NAME, payload),), "7z"), "zip, then 7z")
    yield make("7z-zip", lambda: seven(((b"a", b"nothing\n"),), "7z") + inner, "7z, then zip")
    yield make("cab-mz", b"MZ" + b"\0" * 510 + wrap(["cab"], payload), "a self-extracting cabinet")
    yield make("class-zip", b"\xca\xfe\xba\xbe\0\0\0\x34" + inner, "a Java class and an archive")


def iso_area(data):
    """An image's first 16 sectors belong to nobody."""
    return data.ljust(32768, b"\0") + iso(((b"readme.txt", b"nothing\n"),))[32768:]


def padded_tar(inner):
    """A tar whose first member's name begins like a zip, and whose data is one."""
    return tar_header(b"PK\3\4.txt", len(inner)) + padded(inner) + b"\0" * 1024


# --- Damage --------------------------------------------------------------------------------------
def bases(payload):
    """Whole files to be damaged, with a sum over what they hold."""
    return {name: later(wrap, [name], payload)
            for name in ("zip", "gz", "bz2", "xz", "zst", "lz4", "lz", "7z", "rar", "rar5", "cab",
                         "xar", "lha")}


@family("truncated")
def truncated(payload):
    """Cut off: what is left can't be vouched for."""
    more = {"tar": lambda: tar_header(NAME, len(payload)) + payload,
            "iso": later(wrap, ["iso"], payload), "cpio": later(wrap, ["cpio"], payload),
            "ole": lambda: compound({"A": b"x" * 9000, "Data": payload}),
            "targz": later(wrap, ["gz", "tar"], payload)}
    for name, build in (bases(payload) | more).items():
        # The first half of an image is empty: whoever has only that has nothing.
        for percent in (99, 90, 75) if name == "iso" else (99, 90, 75, 50):
            yield Sample(f"cut-{name}-{percent}",
                         lambda b=build, p=percent: (lambda d: d[:len(d) * p // 100])(b()),
                         f"{name}, {percent} percent of it", best="corrupt")


@family("damaged")
def damaged(payload):
    """One byte is another; never in the signature, without which a format is none."""
    draw = random.Random(SEED)
    for name, build in bases(payload).items():
        for number in range(5):
            place = draw.random()
            yield Sample(f"damage-{name}-{number}",
                         lambda b=build, p=place: damage(b(), p, payload),
                         f"{name} with one byte changed", best="corrupt")


def damage(data, place, payload):
    data = bytearray(data)
    at = 10 + int(place * (len(data) - 10))
    data[at] ^= 0x55
    return bytes(data)


# --- Writing -------------------------------------------------------------------------------------
def produce(payload):
    """All samples with their bytes, and the tools that were missing (one entry a recipe)."""
    made, missing = [], []
    for name, recipes in FAMILIES.items():
        for sample in recipes(payload):
            try:
                data = sample.data() if callable(sample.data) else sample.data
            except Missing as tool:
                missing.append(str(tool))
                continue
            made.append(dataclasses.replace(sample, data=data, family=name))
    return made, missing


def spread(items, count):
    """So many of them, evenly."""
    step = max(1, len(items) // count)
    return items[::step][:count]


def controls(made):
    """Of each family some that nothing is wrong with, and some of the others."""
    chosen = []
    for name in FAMILIES:
        of_family = [sample for sample in made if sample.family == name]
        sound = [sample for sample in of_family if sample.sound]
        chosen += spread(sound, CONTROLS - 1)
        chosen += spread([sample for sample in of_family if not sample.sound], 1)
    return chosen


def write(folder):
    """Write everything; returns the manifest."""
    folder = pathlib.Path(folder)
    evasive, missing = produce(samples.eicar())
    clean = controls(produce(HARMLESS)[0])
    manifest = {"missing_tools": missing}
    for place, chosen in (("evasive", evasive), ("clean", clean)):
        (folder / place).mkdir(parents=True, exist_ok=True)
        rows = {}
        for sample in chosen:
            assert sample.file not in rows, f"two recipes make {sample.file}"
            (folder / place / sample.file).write_bytes(sample.data)
            row = dataclasses.asdict(sample) | {"size": len(sample.data)}
            rows[sample.file] = {key: value for key, value in row.items() if key != "data"}
        manifest[place] = rows
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return manifest


def main(arguments):
    if len(arguments) != 1:
        sys.exit("usage: make.py DIR")
    manifest = write(arguments[0])
    print(f"{len(manifest['evasive'])} evasive, {len(manifest['clean'])} clean, "
          f"{len(FAMILIES)} families, {len(manifest['missing_tools'])} recipes without their tool"
          + "".join(f" {name}" for name in sorted(set(manifest["missing_tools"]))))


if __name__ == "__main__":
    main(sys.argv[1:])
