# SPDX-License-Identifier: MIT
"""What the shared library exports is what its headers declare: no more, no less, no other name."""
import re
import subprocess
import unittest

from support.harness import BUILD, ROOT

LIBRARY = BUILD / "libscanbridge.so.0"


def declared():
    """Functions and objects marked SB_API in the public headers."""
    names = set()
    for header in (ROOT / "include").rglob("*.h"):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.S)
        text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        for declaration in re.findall(r"\bSB_API\b([^;{]*)", text):
            names.add(re.search(r"\b(sb_\w+)\s*(?:\(|$|\[)", declaration.strip()).group(1))
    return names


def exported():
    out = subprocess.run(["nm", "--dynamic", "--defined-only", LIBRARY], check=True,
                         capture_output=True, text=True).stdout
    symbols = [line.split() for line in out.splitlines()]
    return {name.split("@")[0] for _, kind, name in symbols if kind != "A"}


class Abi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not LIBRARY.exists():
            raise FileNotFoundError(f"{LIBRARY} is not built")

    def test_exported_is_declared(self):
        self.assertEqual(sorted(exported() - declared()), [], "exported, but in no header")

    def test_declared_is_exported(self):
        self.assertGreater(len(declared()), 80)
        self.assertEqual(sorted(declared() - exported()), [], "declared, but not exported")

    def test_names_have_a_version_and_the_library_a_soname(self):
        out = subprocess.run(["readelf", "-dW", "-V", LIBRARY], check=True, capture_output=True,
                             text=True).stdout
        self.assertIn("Library soname: [libscanbridge.so.0]", out)
        self.assertIn("SCANBRIDGE_0", out)

    def test_it_needs_only_what_it_says(self):
        out = subprocess.run(["readelf", "-dW", LIBRARY], check=True, capture_output=True,
                             text=True).stdout
        needed = set(re.findall(r"\(NEEDED\).*\[(lib[^.\]]+)", out))
        self.assertLessEqual(needed, {"libc", "libm", "libcrypto", "libssl", "libfyaml",
                                      "libjansson", "libpcre2-8", "libsqlite3"})


if __name__ == "__main__":
    unittest.main()
