# SPDX-License-Identifier: MIT
"""Documents that carry files: compound files, OOXML and ODF, RTF, PDF."""
import base64
import zlib

from compound import MAGIC, compound, ole1, ole10native
from registry import Sample, family
from writers import NAME, Member, gz, mail, pack, rar4, simple_zip, zipped

TYPES = (b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
         b'content-types"><Default Extension="bin" ContentType="application/octet-stream"/>'
         b'</Types>')
RELS = (b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/'
        b'2006/relationships"/>')


# --- Compound files ------------------------------------------------------------------------------
@family("ole")
def ole(payload):
    def make(recipe, data, intention, **other):
        return Sample("ole-" + recipe, data, intention, suffix=other.pop("suffix", "doc"),
                      **other)

    text = b"nothing to see here\n" * 300
    # Over the cutoff, so that it gets sectors of its own.
    large = zipped(Member(NAME, payload), Member(b"filler", bytes(5000), method=0))
    yield make("mini", compound({"WordDocument": text, "Data": payload}), "in a mini stream",
               sound=True)
    yield make("stream", compound({"WordDocument": text, "Data": large}), "in a stream",
               sound=True)
    yield make("deep", compound({"WordDocument": text, "A/B/C/D/E/Data": payload}),
               "five storages down", sound=True)
    yield make("sectors-4096", compound({"WordDocument": text, "Data": large}, shift=12),
               "large sectors", sound=True)
    native = ole10native(NAME, payload)
    yield make("native", compound({"WordDocument": text, "ObjectPool/_1/\1Ole10Native": native}),
               "a packaged file", sound=True)
    yield make("native-large", compound({"ObjectPool/_1/\1Ole10Native":
                                         ole10native(b"a.zip", large)}),
               "a packaged file in a stream of its own", sound=True)
    lying = pack("I", 5) + native[4:]
    yield make("native-size", compound({"\1Ole10Native": lying}), "the package's size lies")
    yield make("native-zip", compound({"\1Ole10Native": ole10native(
        b"a.zip", simple_zip(NAME, payload))}), "a packaged archive", sound=True)
    yield make("package", compound({"ObjectPool/_1/Package": simple_zip(NAME, payload)}),
               "an embedded OOXML package", sound=True)
    yield make("contents", compound({"ObjectPool/_1/CONTENTS": pdf(payload)}), "an embedded PDF",
               sound=True)
    yield make("in-ole", compound({"Data": compound({"Data": payload})}),
               "a compound file in a stream", sound=True)
    yield make("odd-name", compound({"\5\1\3\ufffe": payload}), "a name of control characters",
               sound=True)
    yield make("no-name", compound({"": payload}), "no name")
    yield make("orphan", compound({"WordDocument": text, "Data": payload}, orphan=True),
               "a stream that no storage names")
    yield make("cutoff", compound({"WordDocument": text, "Data": payload}, cutoff=0),
               "no mini stream at all")
    whole = compound({"WordDocument": text, "Data": large})
    start = whole.index(large[:64]) // 512 - 1
    fat = len(whole) - 512
    loop = bytearray(whole)
    loop[fat + 4 * start:fat + 4 * start + 4] = pack("I", start)
    yield make("loop", bytes(loop), "the stream's chain is a loop", best="corrupt")
    yield make("cut", whole[:-600], "cut in the directory", best="corrupt")
    yield make("padded", whole + b"\0" * 5000, "zeros behind")
    yield make("appended", compound({"WordDocument": text}) + simple_zip(NAME, payload),
               "a zip behind a compound file")
    yield make("msg", compound({"__properties_version1.0": b"\0" * 32,
                                "__attach_version1.0_#00000000/__substg1.0_37010102": payload,
                                "__attach_version1.0_#00000000/__substg1.0_3707001F":
                                    "eicar.com".encode("utf-16-le")}),
               "an attachment of an Outlook message", suffix="msg", sound=True)
    yield make("msi", compound({"\u4840\u3f3f": gz(payload)}), "a packed stream", suffix="msi",
               sound=True)
    yield make("locked", compound({"EncryptionInfo": b"\4\0\4\0\x40\0\0\0<encryption/>",
                                   "EncryptedPackage": pack("Q", len(payload))
                                   + bytes(b ^ 0x5A for b in payload)}),
               "a locked OOXML document", best="encrypted")
    yield make("magic", MAGIC + payload, "the signature, and then no compound file",
               best="corrupt")
    yield from one_table(payload)


def one_table(payload):
    """An object of a Flash or PowerPoint kind: its length, then deflated bytes."""
    packed = pack("I", len(payload)) + zlib.compress(payload)
    atom = pack("HHI", 0x10, 0x1011, len(packed)) + packed
    yield Sample("ole-ppt-exobj", compound({"PowerPoint Document": atom, "Current User": b"x"}),
                 "a packed object of a slide show", suffix="ppt", best="partial")


# --- OOXML and ODF -------------------------------------------------------------------------------
@family("office")
def office(payload):
    def package(*members, first=TYPES):
        return zipped(Member(b"[Content_Types].xml", first), Member(b"_rels/.rels", RELS),
                      Member(b"word/document.xml", b"<w:document/>"), *members)

    embedded = {
        "bin": payload, "ole": compound({"\1Ole10Native": ole10native(NAME, payload)}),
        "zip": simple_zip(NAME, payload), "docx": package(Member(b"word/embeddings/a.bin",
                                                                 payload)),
        "mail": mail(NAME, payload), "pdf": pdf(payload),
        "vba": compound({"VBA/dir": b"\1", "Data": payload})}
    for name, data in embedded.items():
        place = b"word/vbaProject.bin" if name == "vba" else b"word/embeddings/object1." \
            + name.encode()
        yield Sample(f"office-docx-{name}", package(Member(place, data)),
                     f"an embedded object: {name}", suffix="docx", sound=name != "vba")
    for name, place in (("media", b"word/media/image1.png"), ("custom", b"customXml/item1.xml"),
                        ("thumbnail", b"docProps/thumbnail.jpeg"),
                        ("unrelated", b"eicar.com"), ("theme", b"word/theme/theme1.xml")):
        yield Sample(f"office-docx-{name}", package(Member(place, payload)),
                     "a part that is something else", suffix="docx", sound=True)
    yield Sample("office-docx-stored", package(Member(b"word/embeddings/a.bin", payload,
                                                      method=0)), "stored", suffix="docx",
                 sound=True)
    yield Sample("office-docx-types", package(Member(b"word/embeddings/a.bin", payload),
                                              first=b"<junk"), "broken types", suffix="docx")
    flat = (b'<?xml version="1.0"?><pkg:package xmlns:pkg="http://schemas.microsoft.com/office/'
            b'2006/xmlPackage"><pkg:part pkg:name="/word/embeddings/a.bin"><pkg:binaryData>'
            + base64.b64encode(payload) + b"</pkg:binaryData></pkg:part></pkg:package>")
    yield Sample("office-flat", flat, "a flat OOXML document", suffix="xml", best="partial")
    for suffix, kind in (("odt", b"text"), ("ods", b"spreadsheet"), ("odp", b"presentation")):
        start = Member(b"mimetype", b"application/vnd.oasis.opendocument." + kind, method=0)
        yield Sample(f"office-{suffix}", zipped(start, Member(b"Object 1", payload),
                                                Member(b"content.xml", b"<office/>")),
                     "an object of an ODF document", suffix=suffix, sound=True)
    yield Sample("office-epub", zipped(Member(b"mimetype", b"application/epub+zip", method=0),
                                       Member(b"OEBPS/a.bin", payload)), "a book", suffix="epub",
                 sound=True)
    yield Sample("office-jar", zipped(Member(b"META-INF/MANIFEST.MF", b"Manifest-Version: 1\n"),
                                      Member(b"a.class", payload)), "a Java archive",
                 suffix="jar", sound=True)


# --- RTF -----------------------------------------------------------------------------------------
@family("rtf")
def rtf(payload):
    def make(recipe, hexed, intention, **other):
        head = other.pop("head", b"{\\rtf1\\ansi ")
        tail = other.pop("tail", b"}}}")
        word = other.pop("word", b"\\objdata ")
        return Sample("rtf-" + recipe, head + b"{\\object\\objemb{\\*" + word + hexed + tail,
                      intention, suffix=other.pop("suffix", "rtf"), **other)

    package = ole1(b"Package", ole10native(NAME, payload)[4:])
    hexed = package.hex().encode()
    ole2 = ole1(b"Word.Document.8", compound({"\1Ole10Native": ole10native(NAME, payload)}))
    yield make("package", hexed, "a packaged file", sound=True)
    yield make("ole2", ole2.hex().encode(), "a compound file in it", sound=True)
    yield make("upper", hexed.upper(), "large digits", sound=True)
    for name, junk in (("lines", b"\r\n"), ("spaces", b" "), ("tabs", b"\t\t"),
                       ("groups", b"{\\*\\junk 41}"), ("braces", b"{}"), ("words", b"\\par "),
                       ("letters", b"zq"), ("nul", b"\0"), ("bin0", b"\\bin0 "),
                       ("quotes", b"\\'41")):
        spread = junk.join(hexed[at:at + 2] for at in range(0, len(hexed), 2))
        yield make(name, spread, f"{name} between the digits", sound=name == "lines")
    yield make("odd", junk_split(hexed), "a space inside every byte")
    yield make("bin", b"\\bin%d " % len(package) + package, "binary instead of digits")
    for name, head in (("short", b"{\\rt "), ("rtf", b"{\\rtf "), ("newline", b"\r\n{\\rtf1 "),
                       ("space", b"  {\\rtf1 "), ("upper-head", b"{\\RTF1 ")):
        yield make(f"head-{name}", hexed, f"another beginning: {name}", head=head)
    yield make("no-end", hexed, "no closing braces", tail=b"")
    yield make("cut", hexed[:-1], "half a byte is missing", tail=b"")
    yield make("zip", ole1(b"Package", ole10native(b"a.zip", simple_zip(NAME, payload))[4:])
               .hex().encode(), "a packaged archive", sound=True)
    yield make("word-number", hexed, "the word with a number", word=b"\\objdata1 ")
    yield make("two", b"4142}}{\\object{\\*\\objdata " + hexed, "the second object")
    yield make("as-doc", hexed, "called a Word document", suffix="doc", sound=True)
    yield make("datastore", b"}}{\\*\\datastore " + compound({"Data": payload}).hex().encode(),
               "in the data store", tail=b"}}")
    yield make("pict", b"}}{\\pict\\pngblip " + simple_zip(NAME, payload).hex().encode(),
               "in a picture", tail=b"}}")


def junk_split(hexed):
    return b" ".join(hexed[at:at + 1] for at in range(len(hexed)))


# --- PDF -----------------------------------------------------------------------------------------
def pdf(payload, data=None, *, filters=b"/FlateDecode", length=None, more=b"", objects=(),
        names=None, head=b"%PDF-1.7\n", ends=(b"stream\n", b"\nendstream")):
    """A document with one attached file. objects: further (number, body) pairs."""
    body = zlib.compress(payload) if data is None else data
    size = b"%d" % (len(body) if length is None else length) \
        if not isinstance(length, bytes) else length
    filtered = b"/Filter " + filters if filters else b""
    names = names or b"/Names << /EmbeddedFiles << /Names [(eicar.txt) 4 0 R] >> >>"
    table = [(1, b"<< /Type /Catalog /Pages 2 0 R " + names + b" >>"),
             (2, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
             (3, b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] >>"),
             (4, b"<< /Type /Filespec /F (eicar.txt) /EF << /F 5 0 R >> >>"),
             (5, b"<< /Type /EmbeddedFile " + filtered + b" /Length " + size + more + b" >>\n"
              + ends[0] + body + ends[1]), *objects]
    out, places = head, {}
    for number, text in table:
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + text + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in sorted(places.items()):
        out += b"%d 1\n%010d 00000 n \n" % (number, place)
    return out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        max(places) + 1, start)


def lzw_pdf(data):
    """LZW that never uses its table, most significant bit first; cleared often enough."""
    codes = [256]
    for at, byte in enumerate(data):
        codes += [256, byte] if at % 200 == 199 else [byte]
    codes.append(257)
    bits = "".join(format(code, "09b") for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def run_length(data):
    out = b""
    for at in range(0, len(data), 100):
        piece = data[at:at + 100]
        out += bytes([len(piece) - 1]) + piece
    return out + b"\x80"


def predicted(data, columns=17):
    """PNG's predictor Up over rows."""
    data = data + b"\n" * (-len(data) % columns)
    above, out = b"\0" * columns, b""
    for at in range(0, len(data), columns):
        row = data[at:at + columns]
        out += b"\2" + bytes((a - b) & 0xFF for a, b in zip(row, above))
        above = row
    return out


@family("pdf")
def pdfs(payload):
    def make(recipe, data, intention, **other):
        return Sample("pdf-" + recipe, data, intention, suffix="pdf", **other)

    flat = zlib.compress(payload)
    hexed, a85 = payload.hex().encode() + b">", base64.a85encode(payload) + b"~>"
    yield make("flate", pdf(payload), "an attached file", sound=True)
    yield make("plain", pdf(payload, payload, filters=b""), "not packed", sound=True)
    yield make("hex", pdf(payload, hexed, filters=b"/ASCIIHexDecode"), "hexadecimal", sound=True)
    yield make("hex-spaces", pdf(payload, b" ".join(hexed[a:a + 1] for a in range(len(hexed))),
                                 filters=b"/ASCIIHexDecode"), "hexadecimal, spread", sound=True)
    yield make("85", pdf(payload, a85, filters=b"/ASCII85Decode"), "base 85", sound=True)
    yield make("85-spaces", pdf(payload, b"\n".join(a85[a:a + 5] for a in range(0, len(a85), 5)),
                                filters=b"[/ASCII85Decode]"), "base 85, spread", sound=True)
    yield make("runs", pdf(payload, run_length(payload), filters=b"/RunLengthDecode"),
               "run lengths", sound=True)
    yield make("lzw", pdf(payload, lzw_pdf(payload), filters=b"/LZWDecode"), "LZW")
    for name, data, filters in (
            ("hex-flate", flat.hex().encode() + b">", b"[/ASCIIHexDecode /FlateDecode]"),
            ("85-flate", base64.a85encode(flat) + b"~>", b"[/ASCII85Decode/FlateDecode]"),
            ("flate-hex", zlib.compress(hexed), b"[/FlateDecode /ASCIIHexDecode]"),
            ("flate-four", zlib.compress(zlib.compress(zlib.compress(flat))),
             b"[/FlateDecode /FlateDecode /FlateDecode /FlateDecode]"),
            ("85-hex-flate", base64.a85encode(flat.hex().encode() + b">") + b"~>",
             b"[ /ASCII85Decode /ASCIIHexDecode /FlateDecode ]"),
            ("abbreviated", flat.hex().encode() + b">", b"[/AHx /Fl]")):
        yield make(f"chain-{name}", pdf(payload, data, filters=filters), f"filters: {name}",
                   sound=name != "abbreviated")
    flates = flat
    for _ in range(29):
        flates = zlib.compress(flates)
    yield make("chain-thirty", pdf(payload, flates, filters=b"[" + b"/FlateDecode " * 30 + b"]"),
               "thirty filters")
    yield make("name-escaped", pdf(payload, filters=b"/Fl#61teDecode"), "an escaped filter name")
    yield make("filter-indirect", pdf(payload, filters=b"6 0 R", objects=[(6, b"/FlateDecode")]),
               "the filter is another object")
    yield make("filter-unknown", pdf(payload, filters=b"/BlateDecode"), "an unknown filter",
               best="unsupported")
    yield make("filter-crypt", pdf(payload, filters=b"[/Crypt /FlateDecode]"),
               "an identity crypt filter")
    for name, length in (("zero", 0), ("short", 5), ("long", 5000), ("huge", 10 ** 12),
                         ("negative", -1), ("indirect", b"6 0 R"), ("missing", b"9 0 R"),
                         ("word", b"/x")):
        yield make(f"length-{name}", pdf(payload, length=length,
                                         objects=[(6, b"%d" % len(flat))]),
                   f"the length: {name}", sound=name == "indirect")
    yield make("endstream-inside", pdf(payload, zipped(
        Member(b"a", b"\nendstream\nendobj\n", method=0), Member(NAME, payload)), filters=b""),
        "the end word is data")
    yield make("no-endstream", pdf(payload, ends=(b"stream\r\n", b"")), "no end word")
    yield make("stream-cr", pdf(payload, ends=(b"stream\r", b"\nendstream")),
               "a lone CR behind the word stream")
    yield make("comment", pdf(payload, more=b" %comment >>\n"), "a comment in the dictionary")
    rows = zlib.compress(predicted(payload))
    yield make("predictor", pdf(payload, rows, more=b" /DecodeParms << /Predictor 12 /Columns 17"
                                                    b" >>"), "a PNG predictor")
    yield make("flate-cut", pdf(payload, flat[:-4]), "the packed data has no sum")
    yield make("flate-junk", pdf(payload, flat + b"junk"), "junk behind the packed data")
    yield make("flate-raw", pdf(payload, flat[2:-4]), "packed without zlib's frame")
    inside = b"4 0 6 61 " + b"<< /Type /Filespec /F (eicar.txt) /EF << /F 5 0 R >> >> null"
    packed = zlib.compress(inside)
    yield make("object-stream", pdf(payload, objects=[
        (7, b"<< /Type /ObjStm /N 2 /First 9 /Filter /FlateDecode /Length %d >>\nstream\n"
         % len(packed) + packed + b"\nendstream")]), "an object stream beside it", sound=True)
    yield make("unreferenced", pdf(payload, names=b" "), "no name leads to the file")
    yield make("attachment-annotation", pdf(payload, names=b" ", objects=[
        (8, b"<< /Type /Annot /Subtype /FileAttachment /FS 4 0 R /Rect [0 0 9 9] >>")]),
        "an annotation leads to the file", sound=True)
    for name, inner in (("zip", simple_zip(NAME, payload)), ("gz", gz(payload)),
                        ("mail", mail(NAME, payload)), ("rar", rar4(NAME, payload)),
                        ("pdf", pdf(payload)), ("ole", compound({"Data": payload}))):
        yield make(f"holds-{name}", pdf(inner), f"an attached file: {name}", sound=True)
    for name, head in (("late", b"junk\n" * 100 + b"%PDF-1.7\n"), ("version", b"%PDF-9.9\n"),
                       ("binary", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), ("adobe", b"%!PS-Adobe-3.0 "
                                                                     b"PDF-1.4\n")):
        yield make(f"head-{name}", pdf(payload, head=head), f"another beginning: {name}")
    whole = pdf(payload)
    yield make("no-xref", whole[:whole.index(b"xref")], "no table of objects")
    yield make("no-endobj", whole.replace(b"endobj\n", b""), "no end of objects")
    yield make("cr-lines", pdf(payload, hexed, filters=b"/ASCIIHexDecode").replace(b"\n", b"\r"),
               "lines end with CR")
    yield make("updated", whole + pdf(b"nothing", head=b""), "a later update replaces the file")
    yield make("appended-zip", pdf(b"nothing") + simple_zip(NAME, payload), "a zip behind it")
    yield make("locked", pdf(payload, bytes(b ^ 0x5A for b in flat)).replace(
        b"/Root 1 0 R", b"/Root 1 0 R /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -4"
        b" /O (" + b"o" * 32 + b") /U (" + b"u" * 32 + b") >> /ID [<00> <00>]"),
        "locked", best="encrypted")
