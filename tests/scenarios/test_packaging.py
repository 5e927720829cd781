# SPDX-License-Identifier: MIT
"""What is installed can be used, the examples do what they say, and so does the README."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from support import harness
from support.harness import BUILD, CLEAN, INFECTED, ROOT, SCANBRIDGE, clamav, mock

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-std=c11"]


class Installed(harness.ClamdCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stage = BUILD / "stage"
        shutil.rmtree(cls.stage, ignore_errors=True)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir",
                        cls.stage], check=True, capture_output=True)
        cls.packages = next(cls.stage.rglob("scanbridge.pc")).parent
        cls.libraries = next(cls.stage.rglob("libscanbridge.so")).parent

    def environment(self):
        return super().environment() | {
            "PKG_CONFIG_SYSROOT_DIR": str(self.stage), "PKG_CONFIG_PATH": str(self.packages),
            "LD_LIBRARY_PATH": str(self.libraries), "PATH": os.environ["PATH"]}

    def command(self, *words, status=0, **options):
        done = subprocess.run(list(map(str, words)), cwd=self.folder, env=self.environment(),
                              capture_output=True, text=True, timeout=harness.PATIENCE, **options)
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def compile(self, source, *flags):
        wanted = self.command("pkg-config", "--cflags", "--libs", "scanbridge").split()
        self.command("cc", source, *flags, *wanted, "-o", "program")
        return self.folder / "program"

    def test_what_is_installed(self):
        files = {str(path.relative_to(self.stage)) for path in self.stage.rglob("*")}
        for wanted in ("bin/scanbridge", "include/scanbridge/scanbridge.h",
                       "include/scanbridge/sys/engine.h",
                       "include/scanbridge/quarantine.h", "include/scanbridge/sys/store.h",
                       "libscanbridge.so",
                       "libscanbridge.so.0", "libscanbridge.a", "pkgconfig/scanbridge.pc",
                       "bash-completion/completions/scanbridge.bash",
                       "zsh/site-functions/_scanbridge",
                       "fish/vendor_completions.d/scanbridge.fish",
                       *(["man1/scanbridge.1", "man5/scanbridge.yaml.5"]
                         if shutil.which("scdoc") else [])):
            self.assertTrue(any(name.endswith(wanted) for name in files), wanted)
        self.assertFalse([name for name in files if "test" in name or "fuzz" in name], files)

    def test_version_is_the_same_everywhere(self):
        version = self.command("pkg-config", "--modversion", "scanbridge").strip()
        self.assertIn(f"scanbridge {version}\n", self.run_program("--version").text)
        header = (ROOT / "include/scanbridge/types.h").read_text()
        self.assertIn(f'SB_VERSION_STRING "{version}"', header)

    def test_basic_scan(self):
        program = self.compile(ROOT / "examples/basic_scan.c", *STRICT)
        self.write("letter.txt", CLEAN)
        self.write("eicar.com", INFECTED)
        out = self.command(program, self.config, "letter.txt", "eicar.com", status=1)
        self.assertIn("letter.txt: clean -> allow\n", out)
        self.assertIn("eicar.com: infected -> quarantine\n    Eicar-Test-Signature", out)

    # --- the same small job in every kind of loop -------------------------------------------
    def loop(self, name, package=None):
        """The example, built; skipped without its event loop."""
        flags = ["-D_GNU_SOURCE", "-pthread", *STRICT]
        if package:
            if subprocess.run(["pkg-config", "--exists", package]).returncode != 0:
                self.skipTest(f"no {package} here")
            # System headers: their warnings are not ours.
            found = subprocess.run(["pkg-config", "--cflags", "--libs", package], check=True,
                                   capture_output=True, text=True).stdout
            flags += found.replace("-I", "-isystem").split()
        return self.compile(ROOT / f"examples/{name}.c", *flags)

    def check_loop(self, *example):
        program = self.loop(*example)
        names = [str(self.write(f"in/{number}", b"%d" % number)) for number in range(200)]
        bad = str(self.write("in/eicar.com", INFECTED))
        missing = f"{self.folder}/in/missing"
        clean = [f"clean allow {name}" for name in names]

        def lines(*arguments, status):
            return self.command(program, self.config, *arguments, status=status).splitlines()
        self.assertCountEqual(lines(*names, status=0), clean)
        self.assertCountEqual(lines(*names, missing, status=2), [*clean, f"error block {missing}"])
        self.assertCountEqual(lines(missing, bad, *names, status=1), [
            *clean, f"error block {missing}", f"infected quarantine {bad}"])
        self.command(program, self.config, status=2)
        self.command(program, "no-such-file", *names, status=2)
        self.check_interrupted(program, names)

    def check_interrupted(self, program, names):
        """One file is known, the engine never answers about the others; then Ctrl-C comes."""
        done = self.write("in/done", b"done")
        digest = self.run_program("hash", str(done)).text.split()[0]
        self.configure(mock(default="hang", responses=[f"{digest}=clean"], concurrency=4))
        self.scan(done, status=0)  # whoever reads it last would find all slots taken
        with subprocess.Popen([program, self.config, done, *names], stdout=subprocess.PIPE,
                              env=self.environment(), text=True) as process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), f"clean allow {done}\n")
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=harness.PATIENCE)[0].splitlines()
        self.assertEqual(process.returncode, 130)
        # What was under way has ended, what was not has not begun.
        self.assertEqual({line.split()[0:2] == ["error", "block"] for line in rest}, {True})
        self.assertLess(len(rest), len(names))
        audit = (self.data / "audit.jsonl").read_text().splitlines()
        kinds = [record["error"] for record in map(json.loads, audit)
                 if record["event"] == "scan_completed"][-len(rest):]
        self.assertEqual(set(kinds), {"cancelled"})

    def test_event_loop(self):
        self.check_loop("event_loop")

    def test_libuv_loop(self):
        self.check_loop("libuv_loop", "libuv")

    def test_glib_loop(self):
        self.check_loop("glib_loop", "glib-2.0")

    def test_plain_threads(self):
        self.check_loop("plain_threads")

    def test_circuit_breaker(self):
        program = self.compile(ROOT / "examples/circuit_breaker.c", "-D_GNU_SOURCE", *STRICT)
        down, turned = "error (connection_failed)", "error (circuit_open), try again later"
        self.assertEqual(self.command(program, self.folder / "kept").splitlines(), [
            f"{answer}; breaker {state}: successful={good} failed={failed} rejected={rejected} "
            f"opened={opened} closed={closed}" if state else answer
            for answer, state, good, failed, rejected, opened, closed in [
                ("clean", "closed", 1, 0, 0, 0, 0),
                ("-- the engine breaks", *[None] * 6),
                (down, "closed", 1, 1, 0, 0, 0),
                (down, "closed", 1, 2, 0, 0, 0),
                (down, "open", 1, 3, 0, 1, 0),
                (turned, "open", 1, 3, 1, 1, 0),
                ("-- the engine works again", *[None] * 6),
                (turned, "open", 1, 3, 2, 1, 0),
                ("clean", "half_open", 2, 3, 2, 1, 0),
                ("clean", "closed", 3, 3, 2, 1, 1),
                ("-- forced open", *[None] * 6),
                ("error (circuit_open)", "open", 3, 3, 3, 2, 1),
                ("-- reset", *[None] * 6),
                ("clean", "closed", 4, 3, 3, 2, 2)]])
        changes = [(r["from"], r["to"], r["cause"]) for r in map(
            json.loads, (self.folder / "kept/audit.jsonl").read_text().splitlines())
            if r["event"] == "engine_state"]
        self.assertEqual([change[:2] for change in changes], [
            ("closed", "open"), ("open", "half_open"), ("half_open", "closed"),
            ("closed", "open"), ("open", "closed")])

    def test_custom_engine(self):
        program = self.compile(ROOT / "examples/custom_engine.c",
                               ROOT / "examples/custom-engine/word.c", "-D_GNU_SOURCE", *STRICT)
        self.write("good", b"a friendly letter\n")
        # Across the border between two pieces that are read.
        self.write("bad", b"x" * 65533 + b"secret" + b"y" * 70000)
        self.assertIn("good: ", self.command(program, "secret", "good"))
        out = self.command(program, "secret", "good", "bad", status=1)
        self.assertRegex(out, r"bad: .*infected.*mine")

    def test_quarantine(self):
        program = self.compile(ROOT / "examples/quarantine.c", *STRICT)
        out = self.command(program, self.folder / "kept").splitlines()
        self.assertEqual([line.split(":")[0] for line in out], [
            "scanned", "listed", "shown", "restored", "restored", "left"])
        self.assertEqual(out[0], "scanned: infected -> quarantine")
        self.assertRegex(out[1], r"^listed: [0-9a-f]{32} quarantined letter\.com$")
        record = json.loads(out[2].removeprefix("shown: "))
        self.assertEqual(record["threats"][0]["name"], "Eicar-Test-Signature")
        self.assertRegex(out[3], "^restored: refused: .*scanned anew it is infected")
        self.assertEqual(out[4:], ["restored: ok", "left: 0"])
        self.assertEqual((self.folder / "kept/letter.com").read_bytes(), harness.eicar())
        operations = [(r["operation"], r["phase"]) for r in map(
            json.loads, (self.folder / "kept/audit.jsonl").read_text().splitlines())
            if r["event"] == "quarantine_operation"]
        self.assertEqual(operations, [
            ("store", "done"), ("restore", "intent"), ("restore", "failed"), ("release", "done"),
            ("restore", "intent"), ("restore", "done"), ("delete", "intent"), ("delete", "done")])

    def test_custom_store(self):
        program = self.compile(ROOT / "examples/custom_store.c", *STRICT)
        for name, size in (("one", 400), ("two", 600), ("three", 1)):
            self.write(name, b"x" * size)
        out = self.command(program, self.folder / "kept", "one", "one", "two", "three")
        self.assertRegex(out, r"one: quarantine: .*\none: quarantine: .*\ntwo: quarantine: .*\n"
                              r"three: block: .*there is no room for 1 bytes\n"
                              r"2 objects, 1000 bytes\n$")
        self.assertFalse((self.folder / "kept/quarantine").exists())

    @harness.needs("yara" in harness.engines_built(), "built without the engine yara")
    def test_new_rules(self):
        """Judged before and after; a bundle that is refused changes nothing."""
        program = self.compile(ROOT / "examples/new_rules.c", "-D_GNU_SOURCE", *STRICT)
        self.write("file", b"a needle")
        self.run_program("rules", "keygen", "-o", "key")
        self.configure(harness.yara(bundles=["ours"]), rules={"trusted_keys": ["key.pub"]},
                       decision={"min_assurance": "rules"}, cache={"enabled": False})
        for number, text in (("1", "One"), ("2", "Two")):
            self.write(f"rules-{number}/a.yar",
                       f'rule {text} {{ strings: $a = "needle" condition: $a }}'.encode())
            self.run_program("rules", "build", "--name", "ours", "--bundle-version", number,
                             "--key", "key", "-o", f"{number}.rules", f"rules-{number}")
        self.run_program("rules", "import", "1.rules")
        run = ["env", f"PATH={SCANBRIDGE.parent}:{os.environ['PATH']}",
               f"SCANBRIDGE_WORKER={BUILD}/src/worker/scanbridge-worker", program, self.config,
               "file", "2.rules"]
        out = self.command(*run).splitlines()
        self.assertEqual((out[0], out[-1]), ("infected: One", "infected: Two"), out)
        self.assertEqual(self.command(*run, status=2).splitlines(), ["infected: Two"])

    def test_the_static_library_is_enough(self):
        wanted = self.command("pkg-config", "--cflags", "--libs", "--static",
                              "scanbridge").split()
        self.command("cc", ROOT / "examples/basic_scan.c", "-static-libgcc",
                     *[word.replace("-lscanbridge", "-l:libscanbridge.a") for word in wanted],
                     "-o", "program")
        self.write("letter.txt", CLEAN)
        self.assertIn("clean", self.command("./program", self.config, "letter.txt"))

    # --- the README ------------------------------------------------------------------------
    def blocks(self, language):
        text = (ROOT / "README.md").read_text()
        found = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
        self.assertTrue(found, f"the README has no {language}")
        return found

    def test_readme_program(self):
        (source,) = self.blocks("c")
        self.assertLess(len(source.splitlines()), 30)
        self.write("program.c", source.encode())
        program = self.compile("program.c")
        self.write("upload.bin", CLEAN)
        self.write("eicar.com", INFECTED)
        report = json.loads(self.command(program, self.config, "upload.bin"))
        self.assert_outcome(report, "clean")
        self.command(program, self.config, "eicar.com", status=1)

    def test_readme_commands(self):
        for name in ("mail/one.eml", "upload.bin", "downloads/letter.txt"):
            self.write(name, CLEAN)
        for block in self.blocks("sh"):
            script = f'set -e -x\nscanbridge() {{ "{SCANBRIDGE}" "$@"; }}\n' + block
            done = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True,
                                  text=True, timeout=harness.PATIENCE, stdin=subprocess.DEVNULL,
                                  env=self.environment() | {"SCANBRIDGE_CONFIG":
                                                            str(self.config)})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_readme_configuration(self):
        self.write("bad-hashes.txt", b"0" * 64 + b"\n")
        for block in self.blocks("yaml"):
            self.config.write_text(block)
            result = self.run_program("config", "check")
            self.assertEqual(result.status, 0, str(result))

    def test_readme_links(self):
        for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
                         *(ROOT / "docs").glob("*.md")]:
            for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
                self.assertTrue((document.parent / target).exists(), f"{document.name}: {target}")

    def test_audit_documents_program(self):
        text = (ROOT / "docs/audit-log.md").read_text()
        (source,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        self.write("letter.txt", CLEAN)
        self.scan("letter.txt", status=0)
        log = self.data / "audit.jsonl"
        self.write("check.py", source.encode())
        self.command("python3", "check.py", log)
        log.write_bytes(log.read_bytes().replace(b'"source":"cli"', b'"source":"cIi"', 1))
        self.command("python3", "check.py", log, status=1)


class WithoutClamd(harness.Case):
    def test_two_engines_of_one_type(self):
        self.write("a")
        self.configure(mock("one"), mock("two"))
        engines = self.scan("a", status=0).report["engines"]
        self.assertEqual([engine["engine"] for engine in engines], ["one", "two"])

    def test_one_of_them(self):
        self.write("a")
        self.configure(mock("one"), clamav(f"unix:{self.folder}/nobody.sock"))
        self.assert_outcome(self.scan("--engine", "one", "a", status=0).report, "clean")


if __name__ == "__main__":
    unittest.main()
