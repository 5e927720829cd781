# SPDX-License-Identifier: MIT
"""Mail: what one reader takes for the attachment, and another for the text before it."""
import base64
import quopri

from registry import Sample, family
from writers import NAME, mail, simple_zip, uu

HEAD = (b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Your invoice\r\n"
        b"Date: Fri, 02 Jan 2026 03:04:06 +0000\r\n")
MIME = b"MIME-Version: 1.0\r\n"
TEXT = b"Content-Type: text/plain\r\n\r\nPlease see the attachment.\r\n"


def b64(data, width=76):
    body = base64.b64encode(data)
    return b"\r\n".join(body[at:at + width] for at in range(0, len(body), width))


def part(body, kind=b"application/octet-stream", coding=b"base64", more=b""):
    return (b"Content-Type: " + kind + b'; name="eicar.com"\r\nContent-Transfer-Encoding: '
            + coding + b"\r\n" + more + b"\r\n" + body)


def multi(*parts, boundary=b"b1", kind=b"mixed", end=True, head=HEAD, mime=MIME, quoted=True,
          preamble=b""):
    mark = b'"' + boundary + b'"' if quoted else boundary
    out = head + mime + b"Content-Type: multipart/" + kind + b"; boundary=" + mark \
        + b"\r\n\r\n" + preamble
    for piece in parts:
        out += b"--" + boundary + b"\r\n" + piece + b"\r\n"
    return out + (b"--" + boundary + b"--\r\n" if end else b"")


def single(body, coding=b"base64", kind=b"application/octet-stream", more=b"", mime=MIME):
    return HEAD + mime + part(body, kind, coding, more)


def make(recipe, data, intention, **other):
    return Sample("mail-" + recipe, data, intention, suffix=other.pop("suffix", "eml"), **other)


@family("mail-coding")
def codings(payload):
    body = b64(payload)
    flat = base64.b64encode(payload)
    yield make("base64", single(body), "one part, base64", sound=True)
    for name, junk in {
            "spaces": b" ".join(flat[at:at + 1] for at in range(len(flat))),
            "lines": b"\r\n".join(flat[at:at + 1] for at in range(len(flat))),
            "stars": b"*".join(flat[at:at + 4] for at in range(0, len(flat), 4)),
            "high": b"\xff".join(flat[at:at + 3] for at in range(0, len(flat), 3)),
            "nul": b"\0".join(flat[at:at + 5] for at in range(0, len(flat), 5)),
            "dashes": b"-".join(flat[at:at + 7] for at in range(0, len(flat), 7)),
            "blank-lines": b"\r\n\r\n".join(flat[at:at + 8] for at in range(0, len(flat), 8)),
            "tabs": b"\t" + flat, "one-line": flat,
            "behind": body + b"\r\n\r\nthis is not base64\r\n",
            "before": b"\r\n\r\n!!!\r\n" + body}.items():
        yield make(f"base64-{name}", single(junk), f"junk in the base64: {name}",
                   sound=name in ("lines", "one-line"))
    runs = [base64.b64encode(payload[at:at + 10]) for at in range(0, len(payload), 10)]
    yield make("base64-runs", single(b"\r\n".join(runs)), "several runs, each padded")
    yield make("base64-runs-joined", single(b"".join(runs)), "padded runs on one line")
    for name, text in (("no-padding", flat.rstrip(b"=")), ("padding-more", flat + b"===="),
                       ("padding-first", b"==" + flat)):
        yield make(f"base64-{name}", single(text), f"odd padding: {name}")
    plain = payload.replace(b"=", b"=3D")
    every = b"".join(b"=%02X" % byte for byte in payload)
    soft = b"=\r\n".join(every[at:at + 30] for at in range(0, len(every), 30))
    for name, text in (("simple", quopri.encodestring(payload)), ("every", soft),
                       ("lower", soft.lower().replace(b"=\r\n", b"=\r\n")),
                       ("soft-spaces", every[:99] + b"= \t\r\n" + every[99:]),
                       ("bare-lf", soft.replace(b"\r\n", b"\n")), ("unquoted", plain)):
        yield make(f"qp-{name}", single(text, b"quoted-printable"), f"quoted-printable: {name}",
                   sound=name in ("simple", "every", "bare-lf"))
    for name, coding in (("case", b"BaSe64"), ("quoted", b'"base64"'), ("comment",
                         b"base64 (really)"), ("spaces", b"   base64   "), ("semicolon",
                         b"base64;"), ("folded", b"\r\n base64"), ("trailing", b"base64 7bit")):
        yield make(f"coding-{name}", single(body, coding), f"the coding's name: {name}",
                   sound=name in ("case", "spaces"))
    for name, first, second in (("after-7bit", b"7bit", b"base64"),
                                ("before-7bit", b"base64", b"7bit")):
        more = b"Content-Transfer-Encoding: " + second + b"\r\n"
        yield make(f"coding-two-{name}", single(body, first, more=more), "two codings")
    yield make("coding-unknown", single(body, b"base65"), "a coding that nobody knows",
               best="partial")
    uued = uu(NAME, payload)
    yield make("uu-coding", single(uued, b"x-uuencode"), "uuencode as a coding")
    yield make("uu-inline", HEAD + b"\r\nHere it is:\r\n\r\n" + uued + b"\r\nbye\r\n",
               "uuencode in the text")
    yield make("uu-in-part", multi(TEXT + uued), "uuencode in a text part")
    yield make("uu-spaces", HEAD + b"\r\n" + uued.replace(b"`", b" "), "uuencode with spaces")
    yield make("uu-no-end", HEAD + b"\r\n" + uued[:-5], "uuencode without its end")
    yield make("uu-base64", HEAD + b"\r\nbegin-base64 644 eicar.com\n"
               + base64.b64encode(payload) + b"\n====\n", "uuencode by base64")
    yield make("7bit", single(payload, b"7bit"), "not coded at all", sound=True)
    yield make("binary", single(payload, b"binary"), "binary", sound=True)
    zipped = simple_zip(NAME, payload)
    yield make("binary-zip", single(zipped, b"binary", b"application/zip"), "a zip as it is")
    yield make("8bit-zip", single(zipped, b"8bit", b"application/zip"), "a zip, said to be 8bit")


@family("mail-structure")
def structure(payload):
    body = b64(payload)
    attached = part(body)
    yield make("plain", multi(TEXT, attached), "an attachment", sound=True)
    for depth in range(1, 9):
        inner = attached
        for level in range(depth):
            inner = multi(TEXT, inner, boundary=b"level%d" % level, head=b"", mime=b"")
        yield make(f"nested-{depth}", HEAD + MIME + inner, f"{depth} multiparts in each other",
                   sound=True)
    for name, ends in (("lf", b"\n"), ("cr", b"\r"), ("crcrlf", b"\r\r\n"), ("lfcr", b"\n\r")):
        yield make(f"lines-{name}", multi(TEXT, attached).replace(b"\r\n", ends),
                   f"lines end with {name}", sound=name == "lf")
    mixed = multi(TEXT, attached)
    yield make("lines-mixed", mixed[:200].replace(b"\r\n", b"\n") + mixed[200:], "mixed lines",
               sound=True)
    yield make("no-end", multi(TEXT, attached, end=False), "no last boundary")
    yield make("cut", multi(TEXT, attached)[:-12], "cut in the last boundary")
    yield make("end-first", multi(TEXT, end=True) + b"--b1\r\n" + attached + b"\r\n--b1--\r\n",
               "parts behind the last boundary")
    yield make("epilogue", multi(TEXT) + attached, "an attachment in the epilogue")
    yield make("preamble", multi(TEXT, preamble=attached + b"\r\n"),
               "an attachment in the preamble")
    yield make("epilogue-uu", multi(TEXT) + uu(NAME, payload), "uuencode in the epilogue")
    for name, boundary, quoted in (("empty", b"", True), ("long", b"b" * 300, True),
                                   ("space", b"a b", True), ("dashes", b"--", True),
                                   ("special", b"=_?:'()+,./", True), ("unquoted", b"abc", False),
                                   ("prefix", b"b1", False)):
        yield make(f"boundary-{name}", multi(TEXT, attached, boundary=boundary, quoted=quoted),
                   f"a boundary: {name}", sound=name in ("space", "special", "unquoted"))
    yield make("boundary-trailing", multi(TEXT, attached).replace(b"--b1\r\n", b"--b1  \t\r\n"),
               "spaces behind the boundary", sound=True)
    yield make("boundary-case", multi(TEXT, attached).replace(b"--b1", b"--B1"),
               "boundaries in another case")
    yield make("boundary-missing", multi(TEXT, attached).replace(b'; boundary="b1"', b""),
               "no boundary is named")
    yield make("boundary-two", multi(TEXT, attached).replace(
        b'boundary="b1"', b'boundary="b2"; boundary="b1"'), "two boundaries are named")
    yield make("boundary-two-first", multi(TEXT, attached).replace(
        b'boundary="b1"', b'boundary="b1"; boundary="b2"'), "the first of two is meant")
    yield make("boundary-rfc2231", multi(TEXT, attached).replace(
        b'boundary="b1"', b"boundary*0=b; boundary*1=1"), "a boundary in two pieces")
    yield make("boundary-encoded", multi(TEXT, attached).replace(
        b'boundary="b1"', b"boundary*=us-ascii''b%31"), "a boundary with an escape")
    yield make("boundary-comment", multi(TEXT, attached).replace(
        b'boundary="b1"', b'boundary=(comment)"b1"'), "a comment before the boundary")
    yield make("boundary-outer", multi(TEXT, multi(TEXT, attached, boundary=b"b1x", head=b"",
                                                   mime=b"")),
               "the outer boundary begins the inner one", sound=True)
    yield make("boundary-same", multi(TEXT, multi(TEXT, attached, head=b"", mime=b"")),
               "inner and outer boundary are the same")
    yield make("folded", multi(TEXT, attached).replace(b"; boundary", b";\r\n\tboundary"),
               "a folded header", sound=True)
    yield make("folded-much", multi(TEXT, attached).replace(b"; boundary", b";" + b"\r\n " * 50
                                                            + b"boundary"), "folded 50 times")
    yield make("space-colon", multi(TEXT, attached).replace(b"Content-Type:", b"Content-Type :"),
               "a space before the colon")
    yield make("case", multi(TEXT, attached).replace(b"Content-T", b"cONTENT-t"),
               "header names in odd case", sound=True)
    yield make("no-version", multi(TEXT, attached, mime=b""), "no MIME-Version")
    yield make("version-odd", multi(TEXT, attached, mime=b"MIME-Version: 0.9\r\n"),
               "another MIME-Version")
    yield make("no-from", MIME + multi(TEXT, attached, head=b"", mime=b""), "no other headers")
    yield make("junk-first", b"this is no header\r\n" + multi(TEXT, attached), "junk first")
    yield make("blank-first", b"\r\n\r\n" + multi(TEXT, attached), "blank lines first")
    yield make("from-first", b"From alice Fri Jan  2 03:04:06 2026\r\n" + multi(TEXT, attached),
               "the line of a mailbox first", sound=True)
    yield make("bom-first", b"\xef\xbb\xbf" + multi(TEXT, attached), "a byte-order mark first")
    yield make("long-header", multi(TEXT, attached, head=HEAD + b"X-Long: " + b"x" * 70000
                                    + b"\r\n"), "a header of 70 000 bytes")
    yield make("many-headers", multi(TEXT, attached, head=HEAD + b"".join(
        b"X-%d: y\r\n" % number for number in range(2000))), "2000 headers")
    yield make("two-types", multi(TEXT, attached).replace(
        MIME, MIME + b"Content-Type: text/plain\r\n"), "text/plain before multipart")
    yield make("two-types-after", multi(TEXT, attached).replace(
        b"\r\n\r\n--b1", b"\r\nContent-Type: text/plain\r\n\r\n--b1", 1),
        "text/plain behind multipart")
    yield make("rfc822", multi(TEXT, b"Content-Type: message/rfc822\r\n\r\n"
                               + multi(TEXT, attached, boundary=b"in")),
               "a mail in a mail", sound=True)
    yield make("rfc822-base64", multi(TEXT, part(b64(mail(NAME, payload)), b"message/rfc822")),
               "a mail in a mail, coded")
    yield make("digest", multi(b"\r\n" + multi(TEXT, attached, boundary=b"in"), kind=b"digest"),
               "a digest, whose parts are mails")
    yield make("partial", HEAD + MIME + b"Content-Type: message/partial; id=a; number=1; total=1"
               b"\r\n\r\n" + multi(TEXT, attached), "a partial mail of one part")
    yield make("external", multi(TEXT, b"Content-Type: message/external-body; "
                                 b"access-type=local-file\r\n\r\n" + attached), "external body")
    box = b"From alice Fri Jan  2 03:04:06 2026\n"
    letter = HEAD.replace(b"\r\n", b"\n") + b"\nhello\n\n"
    yield make("mbox", box + letter + box + mail(NAME, payload).replace(b"\r\n", b"\n"),
               "a mailbox, the second mail", suffix="mbox")
    yield make("mbox-many", (box + letter) * 50 + box + mail(NAME, payload).replace(
        b"\r\n", b"\n") + b"\n" + box + letter, "a mailbox of 52", suffix="mbox")
    yield make("type-text", multi(TEXT, part(body, b"text/plain")), "an attachment called text",
               sound=True)
    yield make("type-image", multi(TEXT, part(body, b"image/png")), "an attachment called image",
               sound=True)
    yield make("type-none", multi(TEXT, b"Content-Transfer-Encoding: base64\r\n\r\n" + body),
               "no type", sound=True)
    yield make("type-junk", multi(TEXT, part(body, b"///;;;=")), "a type that is none")
    yield make("multipart-coded", HEAD + MIME + b"Content-Type: multipart/mixed; boundary=b1\r\n"
               b"Content-Transfer-Encoding: base64\r\n\r\n" + multi(
                   TEXT, attached, head=b"", mime=b"").split(b"\r\n\r\n", 1)[1],
               "a multipart that claims to be coded")
    yield make("many-parts", multi(*[TEXT] * 300, attached), "the last of 301 parts", sound=True)
