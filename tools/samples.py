# SPDX-License-Identifier: MIT
"""Harmless samples: the EICAR test file, what it can hide in, and signatures for them.

    samples.py DIR       write the sample folder that quickstart.sh scans

Everything is put together at run time, so that no scanner trips over this repository.
"""
import email.message
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

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


def write_folder(folder):
    """The sample folder; returns what each file has to come out as."""
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
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    expected = {name: outcome for name, (_, outcome) in files.items()}
    locked = folder / "in-containers/locked.zip"
    locked.unlink(missing_ok=True)
    locked_zip(locked, "secret.txt", b"nobody can look in here\n")
    expected["in-containers/locked.zip"] = "error"
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
