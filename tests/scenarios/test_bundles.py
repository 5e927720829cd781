# SPDX-License-Identifier: MIT
"""Signed rule bundles: made, imported, used, refused, rolled back; killed at every system call."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from support import driver
from support.harness import PATIENCE, SCANBRIDGE, YaraCase, needs, yara


def rule(name, text):
    return f'rule {name} {{ strings: $a = "{text}" condition: $a }}\n'


def can_trace():
    return shutil.which("strace") and subprocess.run(
        ["strace", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0


class BundleCase(YaraCase):
    def setUp(self):
        super().setUp()
        self.run_program("rules", "keygen", "-o", "key")
        self.setting(trusted_keys=["key.pub"])

    def setting(self, **rules):
        self.configure(yara(bundles=["ours"]), rules=rules,
                       decision={"min_assurance": "rules"}, cache={"enabled": False})

    def build(self, version, files, *options, key="key", name="ours", status=0):
        folder = self.folder / f"rules-{version}"
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            self.write(f"{folder}/{path}", text.encode())
        bundle = self.folder / f"{version}.rules"
        bundle.unlink(missing_ok=True)
        result = self.run_program("rules", "build", "--name", name, "--bundle-version",
                                  str(version), "--key", key, "-o", str(bundle), *options,
                                  str(folder))
        self.assertEqual(result.status, status, str(result))
        return bundle

    def imported(self, bundle, status=0, words="", *options):
        result = self.run_program("rules", "import", *options, str(bundle))
        self.assertEqual(result.status, status, str(result))
        self.assertIn(words, result.errors if status else result.text)
        return result

    def use(self, version, files, *options):
        self.imported(self.build(version, files, *options))

    def listed(self):
        entry, = self.run_program("rules", "list", "--json").reports
        return entry

    def changes(self):
        return [r for r in self.verify_audit() if r["event"] == "rules_changed"]

    def found(self, name):
        return [threat["name"] for threat in self.scan(name).report["threats"]]


class Bundles(BundleCase):
    def test_from_folder_to_verdict(self):
        """Includes are found inside the bundle; the record says who signed what."""
        self.write("file", b"a needle")
        self.use(3, {"main.yar": 'include "parts/text.inc"\n' + rule("Main", "a hatpin"),
                     "parts/text.inc": rule("Part", "needle")}, "--sample", "Part=file")
        self.assertEqual(self.found("file"), ["Part"])
        entry = self.listed()
        self.assertEqual((entry["version"], entry["kept"], entry["files"], entry["error"]),
                         (3, [3], 2, None))
        change, = self.changes()
        self.assertEqual((change["operation"], change["bundle"], change["from"], change["to"],
                          change["error"]), ("import", "ours", None, 3, None))
        self.assertEqual(change["key_id"], entry["key_id"])

    def test_another_version_is_another_identity(self):
        self.write("file", b"a needle")
        self.use(1, {"a.yar": rule("One", "needle")})
        first = self.scan("file").report["engines"][0]["signature_version"]
        self.use(2, {"a.yar": rule("Two", "needle")})
        report = self.scan("file").report
        self.assertEqual([t["name"] for t in report["threats"]], ["Two"])
        self.assertNotEqual(report["engines"][0]["signature_version"], first)

    def test_beside_files_and_by_version(self):
        self.write("file", b"a needle and a pin")
        self.use(1, {"a.yar": rule("One", "needle")})
        self.use(2, {"a.yar": rule("Two", "needle")})
        self.write("own.yar", rule("Own", "and a pin").encode())
        self.configure(yara(bundles=["ours@1"], rules=["own.yar"]),
                       rules={"trusted_keys": ["key.pub"]})
        self.assertEqual(sorted(self.found("file")), ["One", "Own"])
        for wrong in ("ours@3", "ours@", "ours@0", "../ours", "none"):
            self.configure(yara(bundles=[wrong]), rules={"trusted_keys": ["key.pub"]})
            self.assertEqual(self.run_program("scan", "file").status, 2, wrong)

    def test_older_and_equal_versions_are_refused(self):
        old = self.build(4, {"a.yar": rule("Old", "needle")})
        self.imported(old)
        self.use(5, {"a.yar": rule("New", "needle")})
        self.imported(old, 1, "not newer")
        self.imported(self.folder / "5.rules", 1, "not newer")
        self.assertEqual(self.listed()["version"], 5)
        self.assertEqual([c["error"] for c in self.changes()],
                         [None, None, "not_configured", "not_configured"])

    def test_what_is_not_signed_by_a_trusted_key(self):
        self.run_program("rules", "keygen", "-o", "stranger")
        strange = self.build(2, {"a.yar": rule("A", "no such text")}, key="stranger")
        self.imported(strange, 1, "trusted_keys")
        good = self.build(3, {"a.yar": rule("A", "no such text")})
        data = bytearray(good.read_bytes())
        data[-2] ^= 1
        good.write_bytes(data)
        self.imported(good, 1, "signature")
        self.assertEqual([c["error"] for c in self.changes()], ["authentication_failed"] * 2)
        self.assertFalse((self.data / "rules").exists())
        self.imported(self.folder / "missing", 2, "missing")

    def test_a_key_that_is_trusted_no_more(self):
        self.write("file")
        self.use(1, {"a.yar": rule("A", "needle")})
        self.setting()
        result = self.run_program("scan", "file")
        self.assertEqual(result.status, 2)
        self.assertIn("trusted_keys", result.errors)
        self.assertEqual(self.listed()["error"], "authentication_failed")

    def test_canaries(self):
        """What does not compile, does not find its sample, or flags what is benign, is not used."""
        self.use(1, {"a.yar": rule("A", "needle")})
        self.write("sample", b"a pin")
        self.write("benign/deep/letter", b"nothing but a haystack")
        rows = (
            (2, {"a.yar": "rule broken {"}, (), (), "a.yar"),
            (3, {"a.yar": rule("A", "needle")}, ("--sample", "A=sample"), (), "A does not find"),
            (4, {"a.yar": rule("Page", "<!DOCTYPE html>")}, (), (), "Page flags a benign file"),
            (5, {"a.yar": rule("Hay", "haystack")}, (), ("--benign", "benign"), "deep/letter"),
            (6, {"a.yar": 'include "../../key"\n' + rule("A", "no such text")}, (), (), "a.yar"),
        )
        for version, files, building, importing, words in rows:
            with self.subTest(version):
                bundle = self.build(version, files, *building)
                self.imported(bundle, 1, words, *importing)
                self.assertEqual((self.listed()["version"], self.listed()["kept"]), (1, [1]))
                self.assertEqual(self.changes()[-1]["to"], version)
        self.assertNotIn(None, [c["error"] for c in self.changes()][1:])
        self.setting(trusted_keys=["key.pub"], benign=["benign"])
        self.imported(self.folder / "5.rules", 1, "Hay flags a benign file")
        self.imported(self.build(7, {"a.yar": rule("A", "needle")}))

    def test_rollback(self):
        self.write("file", b"a needle")
        for version in range(1, 7):
            self.use(version, {"a.yar": rule(f"R{version}", "needle")})
        self.assertEqual(self.listed()["kept"], [3, 4, 5, 6])
        rows = ((("ours",), 0, 5), (("--to", "3", "--reason", "why", "ours"), 0, 3),
                (("ours",), 1, 3), (("--to", "3", "ours"), 1, 3), (("--to", "1", "ours"), 1, 3),
                (("--to", "6", "ours"), 0, 6), (("none",), 1, 6))
        for words, status, version in rows:
            with self.subTest(words):
                result = self.run_program("rules", "rollback", *words)
                self.assertEqual(result.status, status, str(result))
                self.assertEqual(self.found("file"), [f"R{version}"])
        done = [(c["from"], c["to"], c["reason"]) for c in self.changes()
                if c["operation"] == "rollback" and not c["error"]]
        self.assertEqual(done, [(6, 5, None), (5, 3, "why"), (3, 6, None)])
        self.run_program("rules", "rollback", "--to", "3", "ours")
        self.imported(self.folder / "6.rules", 1, "not newer than 6")

    def test_nothing_changes_without_its_record(self):
        self.use(1, {"a.yar": rule("A", "needle")})
        bundle = self.build(2, {"a.yar": rule("B", "needle")})
        log = self.data / "audit.jsonl"
        log.write_bytes(b"another file\n")
        self.imported(bundle, 2, "audit")
        self.assertEqual(self.listed()["version"], 1)
        self.assertEqual(self.listed()["kept"], [1])

    def test_taken_over_while_running(self):
        self.use(1, {"a.yar": rule("One", "needle")})
        path = self.write("file", b"a needle")
        program = driver.Driver(self.config, self.folder)
        self.addCleanup(lambda: self.assertIsNone(program.end()))
        program.open()
        self.assertEqual(program.scan(f"path {path}")["threats"][0]["name"], "One")
        self.use(2, {"a.yar": rule("Two", "needle")})
        self.assertEqual(program.scan(f"path {path}")["threats"][0]["name"], "One")
        self.assertEqual(program.ask("reload"), {"reloaded": True})
        self.assertEqual(program.scan(f"path {path}")["threats"][0]["name"], "Two")

    def test_files_that_exist_are_kept(self):
        before = (self.folder / "key").read_bytes()
        self.assertEqual(self.run_program("rules", "keygen", "-o", "key").status, 2)
        self.assertEqual((self.folder / "key").read_bytes(), before)
        self.assertEqual((self.folder / "key").stat().st_mode & 0o777, 0o600)
        bundle = self.build(1, {"a.yar": rule("A", "no such text")})
        result = self.run_program("rules", "build", "--name", "ours", "--key", "key", "-o",
                                  str(bundle), "rules-1")
        self.assertEqual(result.status, 2, str(result))

    @needs(shutil.which("openssl"), "needs openssl")
    def test_keys_of_openssl(self):
        """Made there and used here, made here and looked at there."""
        for words in ("genpkey -algorithm ed25519 -out theirs", "pkey -in theirs -pubout -out "
                      "theirs.pub", "pkey -pubin -in key.pub -noout -text"):
            subprocess.run(["openssl", *words.split()], cwd=self.folder, check=True,
                           capture_output=True)
        (self.folder / "theirs").chmod(0o600)
        self.setting(trusted_keys=["key.pub", "theirs.pub"])
        self.imported(self.build(1, {"a.yar": rule("A", "no such text")}, key="theirs"))


CALLS = ("openat mkdirat write fsync fdatasync renameat renameat2 linkat unlinkat flock fchmod "
         "close").split()


@needs(can_trace(), "needs strace that may trace")
class Killed(BundleCase):
    """Kill -9 at every system call that changes something: after each the old version is in use or
    the new one, whole, and the next import goes through."""

    ROOM = int(os.environ.get("SB_EVERY", "0")) or 6

    def setUp(self):
        super().setUp()
        self.write("file", b"a needle")
        self.use(1, {"a.yar": rule("One", "needle")})
        self.two = self.build(2, {"a.yar": rule("Two", "needle")})
        self.three = self.build(3, {"a.yar": rule("Three", "needle")})

    def points(self):
        """(call, number) from the first touch of the folder `rules` on."""
        scene = self.scene("count")
        log = self.folder / "log"
        subprocess.run(["strace", "-qq", "-o", log, "-e", "trace=" + ",".join(CALLS),
                        *self.line(scene)], check=True, capture_output=True)
        seen, first = collections.Counter(), {}
        for line in log.read_text().splitlines():
            name = re.match(r"\w+", line)[0]
            if not first and '"rules"' in line:
                first = dict(seen) | {"": 0}
            seen[name] += 1
        for name, total in seen.items():
            every = list(range(first.get(name, 0) + 1, total + 1))
            step = max(1, len(every) // self.ROOM)
            yield from ((name, number) for number in {*every[::step], *every[-2:]})

    def scene(self, name):
        scene = self.folder / f"scene-{name}"
        shutil.copytree(self.data, scene)
        return scene

    def line(self, scene):
        return [SCANBRIDGE, "--config", str(self.config), "--data-dir", str(scene), "rules",
                "import", str(self.two)]

    def one(self, point):
        name, number = point
        scene = self.scene(f"{name}-{number}")
        subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={name}", "-e",
                        f"inject={name}:signal=KILL:when={number}", *self.line(scene)],
                       check=False, capture_output=True, timeout=PATIENCE)
        program = ["--data-dir", str(scene)]
        before = json.loads(self.run_program(*program, "rules", "list", "--json").out)
        assert before["error"] is None and before["version"] in (1, 2), (point, before)
        report = self.run_program(*program, "scan", "--json", "file").report
        assert report["threats"][0]["name"] == (None, "One", "Two")[before["version"]], point
        records = [json.loads(line) for line in (scene / "audit.jsonl").read_text().splitlines()]
        if before["version"] == 2:
            assert any(r["event"] == "rules_changed" and r["to"] == 2 for r in records), point
        done = self.run_program(*program, "rules", "import", str(self.three))
        assert done.status == 0, (point, str(done))
        left = sorted(path.name for path in (scene / "rules/ours").iterdir())
        assert left in (["1", "3", "current"], ["1", "2", "3", "current"]), (point, left)
        shutil.rmtree(scene)
        return before["version"]

    def test_killed(self):
        points = list(self.points())
        with ThreadPoolExecutor(2) as pool:
            versions = collections.Counter(pool.map(self.one, points))
        self.assertGreater(len(points), 20)
        self.assertEqual(set(versions), {1, 2})

    def unharmed(self, scene, before, result, point):
        """One or the other, whole, at once; what failed says where, why, and what to do."""
        listed = json.loads(self.run_program("--data-dir", str(scene), "rules", "list",
                                             "--json").out)
        assert listed["error"] is None, (point, listed, result.stderr)
        told = result.returncode == 0 or b"standard output" in result.stderr
        assert listed["version"] == (2 if told else before), (point, listed, result)
        left = sorted(path.name for path in (scene / "rules/ours").iterdir())
        assert left == [str(n) for n in range(1, listed["version"] + 1)] + ["current"], \
            (point, left, result.stderr)
        report = self.run_program("--data-dir", str(scene), "scan", "--json", "file").report
        assert report["threats"][0]["name"] == (None, "One", "Two")[listed["version"]], point
        if result.returncode and b"/rules/ours" in result.stderr:
            assert b"try again" in result.stderr, result.stderr

    def failing(self, point):
        name, number, error = point
        scene = self.scene(f"{name}-{number}-{error}")
        result = subprocess.run(
            ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={name}", "-e",
             f"inject={name}:error={error}:when={number}", *self.line(scene)],
            check=False, capture_output=True, timeout=PATIENCE)
        self.unharmed(scene, 1, result, point)
        assert self.run_program("--data-dir", str(scene), "rules", "import",
                                str(self.three)).status == 0, point
        shutil.rmtree(scene)
        return result.returncode

    def test_failing_calls(self):
        """An error in place of a death: nothing is left over then, and no later import needed."""
        errors = {"write": "ENOSPC", "fsync": "EIO", "renameat": "ENOSPC", "openat": "EACCES",
                  "mkdirat": "EROFS", "fchmod": "EPERM", "flock": "EIO"}
        points = [(name, number, errors[name]) for name, number in self.points()
                  if name in errors]
        with ThreadPoolExecutor(2) as pool:
            ends = collections.Counter(pool.map(self.failing, points))
        self.assertGreater(len(points), 15)
        self.assertGreater(sum(ends.values()) - ends[0], 5)

    @needs(os.geteuid() == 0, "needs root")
    def test_no_room(self):
        """A real file system that is full: of the data directory, but for a few blocks."""
        place = self.folder / "small"
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place],
                          capture_output=True).returncode != 0:
            self.skipTest("no file system of a few MiB can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(place)])
        scene = place / "data"
        shutil.copytree(self.data, scene)
        self.two = self.build(2, {"a.yar": rule("Two", "needle"),
                                  "b.yar": "".join(rule(f"R{n}", f"{n:050}") for n in
                                                   range(3000))})
        full = place / "full"
        with open(full, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                file.truncate(file.tell() - 64 * 1024)
        result = subprocess.run(self.line(scene), capture_output=True, check=False)
        self.assertEqual(result.returncode, 2, result)
        for words in (f"write {scene}/rules/ours/2", "No space left", "make room there"):
            self.assertIn(words, result.stderr.decode())
        full.unlink()
        self.unharmed(scene, 1, result, "full")
        self.assertEqual(subprocess.run(self.line(scene), capture_output=True).returncode, 0)

    @needs(os.geteuid() == 0, "needs root, to mount")
    def test_a_folder_that_can_only_be_read(self):
        scene = self.scene("locked")
        rules = scene / "rules"
        for words in (["--bind", rules, rules], ["-o", "remount,bind,ro", rules]):
            if subprocess.run(["mount", *words], capture_output=True).returncode != 0:
                self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(rules)])
        result = subprocess.run(self.line(scene), capture_output=True, check=False)
        self.assertEqual(result.returncode, 2, result)
        for words in (f"write {scene}/rules/ours/2", "Read-only", "make that folder writable"):
            self.assertIn(words, result.stderr.decode())
        self.unharmed(scene, 1, result, "read-only")


if __name__ == "__main__":
    unittest.main()
