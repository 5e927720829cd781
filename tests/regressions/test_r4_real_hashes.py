#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R4: "SHA-256" and "MD5" could be `sha256-compat-` and BLAKE3 digits, sent out and audited.

Every digest is the real one, against the published vectors and an implementation of others."""
import hashlib
import unittest

from regressions import INFECTED, Case

# FIPS 180-4 and RFC 1321 examples, and the empty BLAKE3 of its specification.
VECTORS = (
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "d41d8cd98f00b204e9800998ecf8427e",
     "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "900150983cd24fb0d6963f7d28e17f72",
     "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "8215ef0796a20bcaaae116d3876c664a", None),
    (b"a" * 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
     "7707d6ae4e027c70eea2a935c2296f21", None),
)


class RealHashes(Case):
    def test_vectors(self):
        """R4: vectors through a whole scan and through `hash`."""
        self.configure(hashes=["blake3", "sha256", "md5"])
        for number, (data, sha256, md5, blake3) in enumerate(VECTORS):
            with self.subTest(data[:8]):
                path = self.write(f"vector{number}", data)
                file = self.scan(path, status=0).report["file"]
                self.assertEqual((file["sha256"], file["md5"]), (sha256, md5))
                if blake3:
                    self.assertEqual(file["blake3"], blake3)
                for option, wanted in (("--sha256", sha256), ("--md5", md5)):
                    line = self.run_program("hash", option, path).text
                    self.assertEqual(line, f"{wanted}  {path}\n")

    def test_sizes(self):
        """R4: around every block and buffer size, against another implementation."""
        self.configure(hashes=["sha256", "md5"])
        paths = {}
        for size in (55, 56, 63, 64, 65, 1023, 1024, 65535, 65536, 65537, 3 << 20, 17 << 20):
            data = bytes(number % 251 for number in range(1024)) * (size // 1024 + 1)
            paths[str(self.write(f"size{size}", data[:size]))] = data[:size]
        for report in self.scan(*paths, status=0).reports:
            data = paths[report["file"]["path"]]
            self.assertEqual(report["file"]["sha256"], hashlib.sha256(data).hexdigest())
            self.assertEqual(report["file"]["md5"], hashlib.md5(data).hexdigest())

    def test_unasked(self):
        """R4: not asked for is absent, never made up; what is not clean has the real one, in
        the audit log too."""
        self.configure({"name": "mock", "type": "mock", "default": "infected:Test"})
        report = self.scan(self.write("bad", INFECTED), status=1).report
        wanted = hashlib.sha256(INFECTED).hexdigest()
        self.assertEqual(report["file"]["sha256"], wanted)
        self.assertNotIn("md5", report["file"])
        log = (self.data / "audit.jsonl").read_text()
        self.assertIn(wanted, log)
        self.assertNotIn("compat", log)
        self.configure()
        self.assertNotIn("sha256", self.scan(self.write("good"), status=0).report["file"])


if __name__ == "__main__":
    unittest.main()
