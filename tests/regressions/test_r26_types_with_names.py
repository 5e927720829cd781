#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R26: public functions with types that nobody could name.

Whoever has only what is installed can write down every type of every function, take each
function's address, and link; tests/headers compiles each header alone, in C and C++."""
import shutil
import subprocess
import unittest

from regressions import Case
from support import surface
from support.harness import BUILD, ROOT


class Outside(Case):
    def build(self, compiler, name, *lines):
        source = self.write(name, "\n".join((
            "#include <scanbridge/scanbridge.h>",
            *(f"#include <scanbridge/sys/{header.name}>"
              for header in sorted((ROOT / "include/scanbridge/sys").glob("*.h"))),
            *lines)).encode())
        if not shutil.which(compiler):
            self.skipTest(f"{compiler} is not installed")
        return subprocess.run(
            [compiler, "-Wall", "-Wextra", "-Werror", "-I", ROOT / "include", source, "-o",
             self.folder / "program", BUILD / "libscanbridge.so.0",
             "-Wl,--allow-shlib-undefined"], capture_output=True, text=True)

    def test_every_name_can_be_used(self):
        """R26: from C and from C++, linked with the library."""
        functions = sorted(surface.declarations())
        self.assertGreater(len(functions), 100)
        lines = [*(f"extern {name} *of_{name};" for name in sorted(surface.signature_types())),
                 "const void *const all[] = {",
                 *(f"\t(const void *)&{name}," for name in functions), "};",
                 "int main(void) { return all[0] == all[1]; }"]
        for compiler, name in (("gcc", "program.c"), ("g++", "program.cpp")):
            with self.subTest(compiler):
                done = self.build(compiler, name, *lines)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_it_is_noticed(self):
        """R26: a type of our own sources has no name outside."""
        self.assertNotEqual(self.build("gcc", "program.c", "sb_built *nobody;").returncode, 0)


if __name__ == "__main__":
    unittest.main()
