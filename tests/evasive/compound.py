# SPDX-License-Identifier: MIT
"""A small writer of compound files (MS-CFB): enough for streams, mini streams and storages."""
import struct

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
CUTOFF = 4096
MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _chain(table, data, unit):
    """Put data at the end of a table of sectors; returns its first one."""
    count = -(-len(data) // unit)
    first = len(table)
    table += [first + place + 1 for place in range(count)]
    if count:
        table[-1] = END
    return first if count else END


def _tree(streams):
    """Entries in order, each [name, kind, child, data]; siblings are linked to the right."""
    entries = [["Root Entry", 5, [], b""]]
    places = {"": 0}
    for path, data in streams.items():
        folder = ""
        *above, name = path.split("/")
        for step in above:
            inner = f"{folder}/{step}"
            if inner not in places:
                places[inner] = len(entries)
                entries[places[folder]][2].append(len(entries))
                entries.append([step, 1, [], b""])
            folder = inner
        entries[places[folder]][2].append(len(entries))
        entries.append([name, 2, [], data])
    return entries


def compound(streams, *, cutoff=CUTOFF, shift=9, orphan=False):
    """{"Storage/Stream": bytes} as a file. orphan: no storage names its members."""
    unit = 1 << shift
    entries = _tree(streams)
    right = {}
    for _, _, children, _ in entries:
        children.sort(key=lambda child: (len(entries[child][0]), entries[child][0].upper()))
        right |= dict(zip(children, children[1:]))
    mini_table, mini, table, body, starts = [], b"", [], b"", {}
    for number, (_, kind, _, data) in enumerate(entries):
        if kind == 2 and len(data) < cutoff:
            starts[number] = _chain(mini_table, data, 64)
            mini += data + b"\0" * (-len(data) % 64)
        elif kind == 2:
            starts[number] = _chain(table, data, unit)
            body += data + b"\0" * (-len(data) % unit)
    starts[0] = _chain(table, mini, unit)
    body += mini + b"\0" * (-len(mini) % unit)
    entries[0][3] = mini
    packed = struct.pack(f"<{len(mini_table)}I", *mini_table)
    packed += b"\xff" * (-len(packed) % unit)
    mini_start = _chain(table, packed, unit)
    body += packed
    directory = b"".join(_entry(*entry, starts.get(number, 0), right.get(number, FREE), orphan)
                         for number, entry in enumerate(entries))
    directory += _entry("", 0, [], b"", 0, FREE, False) * (-len(directory) // 128 % (unit // 128))
    directory_start = _chain(table, directory, unit)
    body += directory
    sectors = -(-(len(table) + 1) * 4 // unit)
    while (len(table) + sectors) * 4 > sectors * unit:
        sectors += 1
    fat_start = len(table)
    table += [FAT] * sectors
    fat = struct.pack(f"<{len(table)}I", *table)
    fat += b"\xff" * (-len(fat) % unit)
    difat = [fat_start + place for place in range(sectors)] + [FREE] * (109 - sectors)
    head = (MAGIC + b"\0" * 16
            + struct.pack("<HHHHH6xIIIIIIIIII", 0x3E, 4 if shift == 12 else 3, 0xFFFE, shift, 6,
                          len(directory) // unit if shift == 12 else 0, sectors, directory_start,
                          0, cutoff, mini_start, len(packed) // unit, END, 0, difat[0])
            + struct.pack("<108I", *difat[1:]))
    return head.ljust(unit, b"\0") + body + fat


def _entry(name, kind, children, data, start, right, orphan):
    spelled = name.encode("utf-16-le")
    child = FREE
    if children and not orphan:
        child = children[0]
    size = len(spelled) + 2 if name else 0
    return (spelled.ljust(64, b"\0")
            + struct.pack("<HBBIII16xI8x8xIQ", size, kind, 1, FREE, right, child, 0, start,
                          len(data)))


def ole10native(name, data):
    """A packaged file, as the stream \\1Ole10Native holds it."""
    name = name + b"\0"
    body = (struct.pack("<H", 2) + name + name + struct.pack("<HHI", 0, 3, len(name)) + name
            + struct.pack("<I", len(data)) + data)
    return struct.pack("<I", len(body)) + body


def ole1(kind, data):
    """An embedded object of the first OLE, as RTF holds it."""
    kind = kind + b"\0"
    return (struct.pack("<III", 0x501, 2, len(kind)) + kind + struct.pack("<III", 0, 0, len(data))
            + data)


# --- Macros (MS-OVBA) ----------------------------------------------------------------------------
def _literals(data):
    """A compressed container that refers back to nothing: at most one chunk."""
    body = b"".join(b"\0" + data[at:at + 8] for at in range(0, len(data), 8))
    assert len(body) <= 4096, "one chunk"
    return b"\1" + struct.pack("<H", 0xB000 | len(body) - 1) + body


def _record(kind, data, twin=None):
    """One of the directory's records; `twin` is the one that says it again in Unicode."""
    out = struct.pack("<HI", kind, len(data)) + data
    if twin is not None:
        wide = data.decode("ascii").encode("utf-16-le")
        out += struct.pack("<HI", twin, len(wide)) + wide
    return out


def vba_streams(source, name=b"Module1"):
    """The streams of a project with one module."""
    def short(value):
        return struct.pack("<H", value)

    def long(value):
        return struct.pack("<I", value)

    directory = b"".join((
        _record(0x01, long(1)), _record(0x02, long(0x409)), _record(0x14, long(0x409)),
        _record(0x03, short(1252)), _record(0x04, b"VBAProject"), _record(0x05, b"", 0x40),
        _record(0x06, b"", 0x3D), _record(0x07, long(0)), _record(0x08, long(0)),
        struct.pack("<HIIH", 0x09, 4, 1, 1), _record(0x0C, b"", 0x3C), _record(0x0F, short(1)),
        _record(0x13, short(0xFFFF)), _record(0x19, name, 0x47), _record(0x1A, name, 0x32),
        _record(0x1C, b"", 0x48), _record(0x31, long(0)), _record(0x1E, long(0)),
        _record(0x2C, short(0xFFFF)), _record(0x21, b""), _record(0x2B, b""),
        _record(0x10, b"")))
    return {"VBA/dir": _literals(directory), f"VBA/{name.decode()}": _literals(source),
            "VBA/_VBA_PROJECT": b"\xcc\x61\xff\xff\0\0\0",
            "PROJECT": b"ID=\"{0}\"\r\nModule=" + name + b"\r\n"}


def vba_project(source):
    """vbaProject.bin."""
    return compound(vba_streams(source))
