# SPDX-License-Identifier: MIT
"""The verdict cache from the command line: what it holds, and that what is forgotten is gone."""
import json
import os
import pathlib
import subprocess
import unittest

from support import harness
from support.harness import BUILD

UNKNOWN = "a" * 64
COUNT = 10


class Cache(harness.Case):
    def fill(self):
        """Verdicts in the data directory; number 3 is infected, with two detections."""
        pathlib.Path(self.data).mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run([BUILD / "tests" / "cache_fill", self.place, str(COUNT)],
                              capture_output=True, text=True, check=True)
        return done.stdout.split()

    @property
    def place(self):
        return pathlib.Path(self.data) / "cache"

    def cache(self, *words):
        return self.run_program("cache", *words)

    def stats(self):
        return json.loads(self.cache("stats", "--json").text)

    def test_nothing_there(self):
        self.assertEqual(self.cache("stats").status, 0)
        self.assertEqual(self.stats()["entries"], 0)
        self.assertEqual(self.cache("lookup", UNKNOWN).status, 1)
        self.assertEqual(self.cache("forget", UNKNOWN).status, 1)
        self.assertEqual(self.cache("clear").status, 0)
        self.assertFalse(self.place.exists())

    def test_malformed(self):
        for word in ("", "zz", UNKNOWN[1:], UNKNOWN + "a", UNKNOWN[1:] + "g", "-x"):
            for command in ("lookup", "forget"):
                with self.subTest(command=command, word=word):
                    result = self.cache(command, "--", word)
                    self.assertEqual((result.status, result.text), (2, ""), str(result))
                    self.assertIn("64 hexadecimal digits", result.errors)
        self.assertEqual(self.cache("lookup").status, 2)
        self.assertEqual(self.cache("lookup", UNKNOWN, UNKNOWN).status, 2)

    def test_lookup(self):
        hashes = self.fill()
        result = self.cache("lookup", hashes[3])
        self.assertEqual((result.status, result.errors), (0, ""), str(result))
        self.assertRegex(result.text, r"^infected Test\.Sample-3 PUA\.Other \[mock 1\.4\.6, "
                         r"signatures v3\], 10 bytes, stored \S+Z, holds until \S+Z\n$")
        known = json.loads(self.cache("lookup", "--json", hashes[3].upper()).text)
        self.assertEqual(known["blake3"], hashes[3])
        self.assertEqual((known["outcome"], known["size"], known["type"]), ("infected", 10, "mock"))
        self.assertEqual([t["name"] for t in known["threats"]], ["Test.Sample-3", "PUA.Other"])
        self.assertEqual(known["coverage"]["state"], "complete")
        self.assertLess(known["stored_at"], known["expires_at"])
        container = json.loads(self.cache("lookup", "--json", hashes[1]).text)["container"]
        self.assertEqual((container["type"], container["macros"]), ("zip", True))

    def test_forget(self):
        hashes = self.fill()
        result = self.cache("forget", hashes[3])
        self.assertEqual((result.status, result.text), (0, "1 forgotten\n"), str(result))
        self.assertEqual(self.cache("lookup", hashes[3]).status, 1)
        self.assertEqual(self.cache("forget", hashes[3]).status, 1)
        self.assertEqual(self.cache("lookup", hashes[4]).status, 0)
        self.assertEqual(self.stats()["entries"], COUNT - 1)
        self.assertEqual(self.stats()["forgotten"], 1)

    def test_clear(self):
        hashes = self.fill()
        self.assertEqual(self.stats()["entries"], COUNT)
        self.assertEqual(self.cache("clear").status, 0)
        self.assertEqual(self.stats()["entries"], 0)
        self.assertEqual(self.cache("lookup", hashes[0]).status, 1)

    def test_stats(self):
        self.fill()
        stats = self.stats()
        self.assertEqual((stats["stores"], stats["misses"], stats["hits"]), (COUNT, COUNT, COUNT))
        self.assertIsNone(stats["problem"])
        self.assertLessEqual(stats["bytes"], stats["limit"])
        self.assertRegex(self.cache("stats").text, rf"(?m)^  stores +{COUNT}$")

    def test_damage_is_told(self):
        hashes = self.fill()
        for suffix in ("-wal", "-shm"):
            (self.place / f"verdicts-1.sqlite{suffix}").unlink(missing_ok=True)
        (self.place / "verdicts-1.sqlite").write_bytes(b"no database" * 100)
        self.cache("lookup", hashes[0])
        self.assertEqual(self.cache("lookup", hashes[0]).status, 1)
        self.assertTrue((self.place / "verdicts.damaged").exists())
        self.assertEqual(self.stats()["damaged"], 1)

    def test_a_key_that_others_can_read(self):
        hashes = self.fill()
        os.chmod(self.place / "verdicts.key", 0o644)
        result = self.cache("lookup", hashes[0])
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("verdicts.key can be read by others", result.errors)
        self.assertIn("can be read by others", self.stats()["problem"])
        self.assertEqual(self.cache("forget", hashes[0]).status, 2)
        self.assertEqual(self.cache("clear").status, 2)


if __name__ == "__main__":
    unittest.main()
