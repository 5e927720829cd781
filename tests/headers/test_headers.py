# SPDX-License-Identifier: MIT
"""Every public header compiles alone, first and twice, as C11 and as C++17, in silence."""
import pathlib
import shutil
import subprocess
import unittest

from support.harness import ROOT

INCLUDE = ROOT / "include"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror",
          "-fsyntax-only", "-I", str(INCLUDE)]
LANGUAGES = {
    "C11": (["-x", "c", "-std=c11", "-Wstrict-prototypes"], ["gcc", "clang-14"]),
    "C++17": (["-x", "c++", "-std=c++17", "-Wold-style-cast"], ["g++", "clang++-14"]),
}
HEADERS = sorted(path.relative_to(INCLUDE) for path in INCLUDE.rglob("*.h"))


class Headers(unittest.TestCase):
    def test_there_are_headers(self):
        self.assertIn(pathlib.Path("scanbridge/scanbridge.h"), HEADERS)
        self.assertIn(pathlib.Path("scanbridge/sys/engine.h"), HEADERS)

    def check(self, language):
        flags, compilers = LANGUAGES[language]
        for compiler in compilers:
            if not shutil.which(compiler):
                self.skipTest(f"{compiler} is not installed")
            for header in HEADERS:
                with self.subTest(compiler=compiler, header=str(header)):
                    source = f"#include <{header}>\n#include <{header}>\nint unused;\n"
                    done = subprocess.run([compiler, *flags, *STRICT, "-"], input=source,
                                          capture_output=True, text=True)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_c11(self):
        self.check("C11")

    def test_cpp17(self):
        self.check("C++17")


if __name__ == "__main__":
    unittest.main()
