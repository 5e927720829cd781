# SPDX-License-Identifier: MIT
"""Quarantine as people meet it: what `scan` puts there, and all that `quarantine` does with it."""
import json
import os
import signal
import stat
import unittest

from support.harness import INFECTED, Case, FolderWatch, YaraCase, mock

ID = "0" * 32


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class Quarantine:
    """What the cases below share."""

    def quarantine(self, *arguments, status=0, **options):
        result = self.run_program("quarantine", *arguments, **options)
        self.assertEqual(result.status, status, str(result))
        return result

    def objects(self, *arguments):
        return self.quarantine("list", "--json", *arguments).reports

    def operations(self):
        """(operation, phase) of every record about quarantine, in order."""
        return [(r["operation"], r["phase"]) for r in self.verify_audit()
                if r["event"] == "quarantine_operation"]


class Storing(Quarantine, Case):
    def setUp(self):
        super().setUp()
        self.configure(mock(default="infected:Some.Trojan"))
        self.file = self.write("in/bad.bin", b"bad bytes\n" * 100)

    def test_the_object_is_the_file(self):
        report = self.scan(self.file, status=1).report
        self.assertEqual((report["action"], report["error"]), ("quarantine", None))
        kept, = self.objects()
        for key, wanted in (("id", report["quarantine_id"]), ("state", "quarantined"),
                            ("blake3", report["file"]["blake3"]),
                            ("sha256", report["file"]["sha256"]), ("size", 1000),
                            ("name", "bad.bin"), ("path", str(self.file)),
                            ("outcome", "infected"), ("scan_id", report["id"]),
                            ("reason", report["reason"])):
            self.assertEqual(kept[key], wanted, key)
        self.assertEqual([t["name"] for t in kept["threats"]], ["Some.Trojan"])
        self.assertEqual(kept["original"]["mode"] & 0o777, self.file.stat().st_mode & 0o777)
        self.quarantine("get", "-o", "out", kept["id"])
        self.assertEqual((self.folder / "out").read_bytes(), self.file.read_bytes())
        self.assertEqual(stat.S_IMODE((self.folder / "out").stat().st_mode), 0o600)

    def test_held_for_a_person(self):
        self.configure(mock(default="suspicious:Odd.Thing"))
        report = self.scan(self.file, status=1).report
        self.assertEqual(report["action"], "require_manual_review")
        kept, = self.objects("--state", "held")
        self.assertEqual(kept["id"], report["quarantine_id"])
        self.quarantine("reject", kept["id"])
        self.assertEqual(self.objects()[0]["state"], "quarantined")
        self.assertIn("only what is held", self.quarantine("reject", kept["id"], status=1).errors)

    def test_every_kind_of_input(self):
        self.assertIsNotNone(self.scan("-", "--name", "letter", status=1,
                                       stdin=b"other").report["quarantine_id"])
        kept, = self.objects()
        self.assertEqual((kept["name"], kept["path"]), ("letter", None))

    def test_the_same_content_is_kept_once(self):
        self.write("in/again.bin", self.file.read_bytes())
        reports = self.scan("in", "in/again.bin", status=1).reports
        self.assertEqual(len({r["quarantine_id"] for r in reports}), 1)
        kept, = self.objects()
        reports = self.scan("in", "--tenant", "t1", status=1).reports
        self.assertNotEqual(reports[0]["quarantine_id"], kept["id"], "one object for two tenants")
        self.assertEqual([o["tenant_id"] for o in self.objects("--tenant", "t1")], ["t1"])

    def test_nothing_is_stored(self):
        """The action stays what policy said, and the file is not allowed."""
        for arguments, sections in ((["--no-quarantine"], {}), (["--dry-run"], {}),
                                    (["--dry-run", "--remove"], {}),
                                    ([], {"quarantine": {"enabled": False}})):
            with self.subTest(arguments, **sections):
                self.configure(mock(default="infected:Some.Trojan"), **sections)
                report = self.scan(*arguments, self.file, status=1).report
                self.assertEqual((report["action"], report["quarantine_id"]),
                                 ("quarantine", None))
                self.assertTrue(self.file.exists())
                self.assertFalse((self.data / "quarantine").exists())
        self.configure(mock(), quarantine={"enabled": False})
        self.assertIn("quarantine.enabled", self.quarantine("list", status=2).errors)

    def test_what_cannot_be_stored_is_blocked(self):
        self.scan(self.write("other", b"x"), status=1)
        key = self.data / "quarantine/key"
        good = key.read_bytes()
        key.write_bytes(b"no key at all")
        report = self.scan("--remove", self.file, status=1).report
        self.assertEqual((report["outcome"], report["action"], report["quarantine_id"]),
                         ("infected", "block", None))
        self.assertEqual(report["error"]["kind"], "quarantine_failed")
        self.assertIn("key", report["error"]["message"])
        self.assertTrue(self.file.exists())
        told = self.run_program("policy", "explain", "-", stdin=json.dumps(report).encode())
        self.assertIn("could not be quarantined", told.text)
        key.write_bytes(good)
        self.assertEqual(self.scan(self.file, status=1).report["action"], "quarantine")

    def test_full_is_blocked(self):
        self.configure(mock(default="infected:Some.Trojan"), quarantine={"max_size": "4KiB"})
        big = self.write("big", os.urandom(8192))
        report = self.scan("--remove", big, status=1).report
        self.assertEqual((report["action"], report["error"]["kind"]),
                         ("block", "quarantine_failed"))
        self.assertIn("max_size", report["error"]["message"])
        self.assertTrue(big.exists())

    def test_an_error_without_content(self):
        """A rule may send errors to review, but there is nothing to keep."""
        self.configure(mock(), policy={"rules": [
            {"id": "look", "when": {"outcome": "error"}, "then": "require_manual_review"}]})
        report = self.scan("nowhere", status=2).report
        self.assertEqual((report["action"], report["error"]["kind"]), ("block", "file_not_found"))
        self.assertIn("could not be quarantined", report["reason"])

    def test_lines_and_summary(self):
        result = self.run_program("scan", self.file)
        kept, = self.objects()
        self.assertEqual(result.text, f"{self.file}: infected Some.Trojan [mock] -> quarantine "
                                      f"({kept['id']})\n")
        self.assertRegex(result.errors, r"(?m)^  quarantined +1$")

    def test_two_processes_at_once(self):
        """R40: each sees what the other has stored."""
        files = [self.write(f"many/{n}", b"content %d" % n) for n in range(40)]
        running = [self.start("scan", "--json", *map(str, files[n::4])) for n in range(4)]
        for process in running:
            self.assertEqual(self.finish(process).status, 1)
        self.assertEqual(len(self.objects()), 40)
        self.assertEqual(self.quarantine("verify").text, "40 good, 0 bad, 0 strays\n")


class Plain(Quarantine, YaraCase):
    def test_eicar_stands_nowhere(self):
        """Q4, I4: neither content nor name of a quarantined file gives itself away."""
        self.write("in/a", INFECTED)
        self.write("in/b", b"x" * 300000 + INFECTED)
        self.scan("--remove", "in", status=1)
        self.assertEqual(names(self.folder / "in"), ["b"])
        self.scan(self.write("c", INFECTED + b" " * 50), status=1)
        for path in self.data.rglob("*"):
            if path.is_file():
                self.assertNotIn(INFECTED[:40], path.read_bytes(), path)
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
            else:
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o700, path)
        again = self.scan(self.data / "quarantine").reports
        self.assertEqual([r["outcome"] for r in again if r["outcome"] != "clean"], [])


class Removing(Quarantine, Case):
    def setUp(self):
        super().setUp()
        self.configure(mock(default="infected:Some.Trojan"))
        self.file = self.write("in/bad.bin", b"bad bytes\n")

    def test_removed_and_back(self):
        report = self.scan("--remove", self.file, status=1).report
        self.assertEqual(report["original"], {"removed": True, "other_links": 0})
        self.assertFalse(self.file.exists())
        self.assertEqual(self.operations(), [("store", "done"), ("remove", "intent"),
                                             ("remove", "done")])
        (self.folder / "back").mkdir()
        self.quarantine("restore", "--to", "back", "--force", "--reason", "a test",
                        report["quarantine_id"])
        self.assertEqual((self.folder / "back/bad.bin").read_bytes(), b"bad bytes\n")
        self.assertEqual(stat.S_IMODE((self.folder / "back/bad.bin").stat().st_mode), 0o600)

    def test_by_the_configuration(self):
        self.configure(mock(default="infected:Some.Trojan"),
                       quarantine={"remove_original": True})
        self.write("in/sub/two", b"two")
        result = self.run_program("scan", "in")
        self.assertEqual(result.status, 1)
        self.assertEqual(result.text.count(", removed)"), 2)
        self.assertRegex(result.errors, r"(?m)^  quarantined +2   2 originals removed$")
        self.assertEqual(names(self.folder / "in"), ["sub"])

    def test_only_what_is_infected(self):
        for says in ("suspicious:Odd", "error:encrypted", "clean"):
            self.configure(mock(default=says), policy={"rules": [
                {"id": "all", "when": {"always": True}, "then": "quarantine"}]})
            report = self.scan("--remove", self.file).report
            self.assertIsNotNone(report["quarantine_id"])
            self.assertNotIn("original", report)
            self.assertTrue(self.file.exists(), says)

    def test_never_without_a_copy(self):
        self.configure(mock(default="infected:Some.Trojan"), policy={"rules": [
            {"id": "all", "when": {"always": True}, "then": "block"}]})
        report = self.scan("--remove", self.file, status=1).report
        self.assertEqual((report["action"], report["quarantine_id"]), ("block", None))
        self.assertTrue(self.file.exists())

    def test_links(self):
        """The link that was named is not followed; of a hard link one name goes."""
        link = self.folder / "link"
        link.symlink_to(self.file)
        report = self.scan("--remove", link, status=1).report
        self.assertFalse(report["original"]["removed"])
        self.assertTrue(self.file.exists() and link.is_symlink())
        os.link(self.file, self.folder / "other")
        report = self.scan("--remove", self.file, status=1).report
        self.assertEqual(report["original"], {"removed": True, "other_links": 1})
        self.assertTrue((self.folder / "other").exists())

    def test_a_folder_that_cannot_be_changed(self):
        self.data.mkdir(mode=0o700)
        (self.folder / "in").chmod(0o555)
        result = self.as_nobody("scan", "--json", "--remove", self.file)
        report = result.report
        self.assertEqual(result.status, 1)
        self.assertFalse(report["original"]["removed"])
        self.assertIn("Permission denied", report["original"]["reason"])
        self.assertIsNotNone(report["quarantine_id"])
        self.assertEqual(self.operations()[-1], ("remove", "failed"))

    def test_the_rate_breaker(self):
        """Q5: removal stops, storing and blocking go on."""
        self.configure(mock(default="infected:Some.Trojan"), quarantine={"max_per_hour": 3})
        for n in range(5):
            self.write(f"many/{n}", b"%d" % n)
        reports = self.scan("--remove", "--jobs", "1", "many", status=1).reports
        self.assertEqual(sum(r["original"]["removed"] for r in reports), 3)
        self.assertEqual(len(names(self.folder / "many")), 2)
        self.assertEqual(len(self.objects()), 5)
        self.assertIn("max_per_hour", next(r["original"]["reason"] for r in reports
                                           if not r["original"]["removed"]))

    def test_odd_names(self):
        odd = [b"a\nb", b"\xff\xfe", b"-rf", b"x:y;$(z)", "ünï".encode(), b"q" * 255]
        for name in odd:
            self.write(b"odd/" + name, b"content of " + name)
        self.scan("--remove", "odd", status=1)
        self.assertEqual(os.listdir(self.folder / "odd"), [])
        self.configure(mock())
        (self.folder / "back").mkdir()
        for kept in self.objects():
            self.quarantine("restore", "--to", "back", kept["id"])
        self.assertEqual(sorted(os.listdir(os.fsencode(self.folder / "back"))), sorted(odd))
        for line in self.quarantine("list").out.splitlines():
            self.assertNotIn(b"\x1b", line)

    def test_killed_at_any_moment(self):
        """I2: every file is in its place or whole in quarantine, and the log is whole."""
        files = [self.write(f"kill/{n}/{k}", b"%d %d" % (n, k) * 500)
                 for n in range(24) for k in range(8)]
        digests = [line.split()[0]
                   for line in self.run_program("hash", *map(str, files)).text.splitlines()]
        for n in range(24):
            process = self.start("scan", "--json", "--remove", f"kill/{n}")
            for _ in range(n % 6):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.quarantine("purge")  # opening recovers
        self.assertRegex(self.quarantine("verify").text, r"^\d+ good, 0 bad, 0 strays\n")
        kept = {o["blake3"] for o in self.objects()}
        left = {p for p in (self.folder / "kill").rglob("*") if p.is_file()}
        for path, digest in zip(files, digests):
            self.assertTrue(path in left or digest in kept, path)
        self.assertLessEqual(left, set(files), "a name of ours was left")
        self.assertLess(len(left), len(files))
        self.verify_audit()


class Restoring(Quarantine, Case):
    def setUp(self):
        super().setUp()
        self.configure(mock(default="infected:Some.Trojan"))
        self.write("in/bad.bin", b"bad bytes\n")
        self.kept = self.scan("--remove", "in", status=1).report["quarantine_id"]
        self.back = self.folder / "back"
        self.back.mkdir()

    def restore(self, *arguments, status=0):
        return self.quarantine("restore", "--to", str(self.back), *arguments, self.kept,
                               status=status)

    def test_only_what_is_clean_by_now(self):
        self.assertIn("infected", self.restore(status=1).errors)
        self.assertEqual(names(self.back), [])
        self.configure(mock(default="error:engine_unavailable", retry={"attempts": 1}))
        self.restore(status=1)
        self.configure(mock(default="suspicious:Odd"))
        self.restore(status=1)
        self.assertEqual(names(self.back), [])
        self.configure(mock())
        self.restore()
        self.assertEqual((self.back / "bad.bin").read_bytes(), b"bad bytes\n")
        self.assertEqual(self.operations()[-2:], [("restore", "intent"), ("restore", "done")])
        self.assertEqual(len(self.objects()), 1, "it stays until it is deleted")

    def test_nothing_is_overwritten(self):
        self.configure(mock())
        (self.back / "bad.bin").write_bytes(b"mine")
        self.assertIn("nothing is overwritten", self.restore(status=1).errors)
        self.assertEqual((self.back / "bad.bin").read_bytes(), b"mine")
        self.restore("--name", "other")
        self.restore("--name", "../out", status=1)
        self.assertFalse((self.folder / "out").exists())
        (self.folder / "file").write_bytes(b"mine")
        self.quarantine("get", "-o", "file", self.kept, status=1)
        self.assertEqual((self.folder / "file").read_bytes(), b"mine")

    def test_force_has_a_reason(self):
        self.assertIn("--reason", self.restore("--force", status=2).errors)
        self.restore("--force", "--reason", "ticket 4711")
        record = [r for r in self.verify_audit() if r.get("operation") == "restore"][-1]
        self.assertEqual(record["reason"], "ticket 4711")

    def test_roots(self):
        self.configure(mock(), quarantine={"restore_roots": [str(self.back)]})
        (self.folder / "elsewhere").mkdir()
        result = self.quarantine("restore", "--to", "elsewhere", self.kept, status=2)
        self.assertIn("restore_roots", result.errors)
        (self.back / "link").symlink_to(self.folder / "elsewhere")
        self.quarantine("restore", "--to", "back/link", self.kept, status=2)
        self.assertEqual(names(self.folder / "elsewhere"), [])
        (self.back / "sub").mkdir()
        self.quarantine("restore", "--to", "back/sub", self.kept)
        self.restore()

    def test_release(self):
        """A rule on the hash, for this content only; and the object is free to go."""
        copy = self.write("copy", b"bad bytes\n")
        self.quarantine("release", "--reason", 'false "alarm"', self.kept)
        report = self.scan(copy, status=0).report
        self.assertEqual((report["outcome"], report["action"], report["reason"]),
                         ("infected", "allow", 'false "alarm"'))
        self.assertEqual(report["rule"]["id"], f"released-{self.kept}")
        self.assertEqual(self.scan(self.write("near", b"bad bytes!"), status=1)
                         .report["action"], "quarantine")
        self.restore()
        self.assertIn("released already", self.quarantine("release", self.kept, status=1).errors)
        rules = (self.data / "releases.yaml").read_text()
        self.assertEqual(rules.count("id: released-"), 1)
        (self.data / "releases.yaml").write_text("rules: [{id: x}]\n")
        self.assertIn("releases.yaml:1:", self.scan(copy, status=2).errors)
        (self.data / "releases.yaml").unlink()
        self.assertEqual(self.scan(copy, status=1).report["action"], "quarantine")

    def test_a_release_is_one_tenants(self):
        copy = self.write("copy", b"bad bytes\n")
        kept = self.scan("--tenant", "t1", copy, status=1).report["quarantine_id"]
        self.quarantine("release", kept)
        self.scan("--tenant", "t1", copy, status=0)
        self.scan("--tenant", "t2", copy, status=1)
        self.scan(copy, status=1)

    def test_a_release_does_not_cover_failures_of_the_log(self):
        copy = self.write("copy", b"bad bytes\n")
        self.quarantine("release", self.kept)
        self.configure(mock(default="error:internal"))
        self.assertEqual(self.scan(copy, status=2).report["action"], "block")


class Keeping(Quarantine, Case):
    def setUp(self):
        super().setUp()
        self.configure(mock(default="infected:Some.Trojan"))

    def store(self, count=1):
        for n in range(count):
            self.write(f"in/{n}", b"content %d" % n)
        return [r["quarantine_id"] for r in self.scan("--jobs", "1", "in", status=1).reports]

    def test_filters_and_pages(self):
        ids = self.store(7)
        newest = self.objects()
        self.assertEqual(sorted(o["id"] for o in newest), sorted(ids))
        times = [o["time"] for o in newest]
        self.assertEqual(times, sorted(times, reverse=True))
        first = self.objects("-n", "3")
        second = self.objects("-n", "3", "--cursor", first[-1]["id"])
        third = self.objects("-n", "3", "--cursor", second[-1]["id"])
        self.assertEqual([o["id"] for o in first + second + third], [o["id"] for o in newest])
        self.assertEqual(self.objects("--offset", "5"), newest[5:])
        self.assertEqual(self.objects("--hash", newest[2]["sha256"]), [newest[2]])
        self.assertEqual(self.objects("--hash", newest[2]["blake3"].upper()), [newest[2]])
        self.assertEqual(self.objects("--state", "released"), [])
        self.assertEqual(self.objects("--before", "2026-01-01"), [])
        self.assertEqual(self.objects("--after", times[3], "--before", times[3])[0]["time"], times[3])
        self.assertLessEqual(4, len(self.objects("--after", times[3])))
        self.assertLessEqual(4, len(self.objects("--before", times[3])))
        for words in (("--hash", "xyz"), ("--after", "yesterday"), ("--cursor", "x"),
                      ("--state", "hled")):
            self.assertIn(words[0].lstrip("-"), self.quarantine("list", *words, status=2).errors)
        self.assertEqual(len(self.quarantine("list").out.splitlines()), 7)

    def test_ids(self):
        """R37: an id is 32 digits or nothing at all."""
        self.store()
        for bad in ("../../etc/passwd", "/etc/passwd", "..", "", ID[:-1], ID + "0", ID[:-1] + "G",
                    "\x1b[31m" + ID[5:], "-o"):
            for command in ("show", "release", "reject", "hold", "delete", "verify"):
                result = self.quarantine(command, "--", bad, status=2)
                self.assertNotIn("\x1b", result.errors)
                self.assertIn("32 digits", result.errors)
        for command in ("show", "release", "reject", "hold", "delete", "verify"):
            self.quarantine(command, ID, status=1)  # R41: unknown is no success
        self.quarantine("get", "-o", "out", ID, status=1)
        self.assertFalse((self.folder / "out").exists())

    def test_delete_and_hold(self):
        one, two = self.store(2)
        self.quarantine("hold", "--reason", "a case", one)
        self.assertIn("legal hold", self.quarantine("delete", one, two, status=1).errors)
        self.assertEqual([o["id"] for o in self.objects()], [one])
        self.assertIn("legal hold", self.quarantine("list").text)
        self.quarantine("hold", "--off", one)
        self.quarantine("delete", one)
        self.assertEqual(names(self.data / "quarantine/objects"), [])
        self.assertEqual(self.operations()[2:], [
            ("hold", "done"), ("delete", "intent"), ("delete", "done"), ("unhold", "done"),
            ("delete", "intent"), ("delete", "done")])

    def test_retention_runs_by_itself(self):
        """R42: any program that has the store open deletes what has expired."""
        self.configure(mock(default="infected:Some.Trojan"), quarantine={"retention": "1ms"})
        self.store(20)
        self.assertEqual(self.objects(), [])
        self.assertEqual(len(self.objects("--all")), 20)
        self.configure(mock(), quarantine={"retention": "1ms"})
        left = 20
        while left > 0:  # a short run deletes some of them
            self.scan(self.write("clean"), status=0)
            self.assertLess(len(self.objects("--all")), left)
            left = len(self.objects("--all"))
        self.assertIn(("purge", "done"), self.operations())

    def test_verify_finds_what_was_changed(self):
        """R38, R39: a damaged object is told, listed as damaged, and given to nobody."""
        ids = self.store(3)
        path = self.data / "quarantine/objects" / ids[1]
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
        result = self.quarantine("verify", status=1)
        self.assertEqual(result.text, "2 good, 1 bad, 0 strays\n")
        self.assertIn(ids[1], result.errors)
        self.assertEqual([o["id"] for o in self.objects("--state", "damaged")], [ids[1]])
        self.quarantine("get", "-o", "out", ids[1], status=1)
        self.assertFalse((self.folder / "out").exists())
        self.quarantine("verify", ids[0])
        self.quarantine("delete", ids[1])
        (self.data / "quarantine/objects/stray").write_bytes(b"")
        self.assertIn("2 good, 0 bad, 1 stray", self.quarantine("verify", status=1).text)

    def test_a_lost_index_is_made_anew(self):
        ids = self.store(4)
        before = self.objects()
        self.quarantine("hold", ids[2])
        for path in (self.data / "quarantine").glob("index.sqlite*"):
            path.unlink()
        self.assertEqual(self.quarantine("rebuild").text, "4 objects in the index\n")
        after = self.objects()
        self.assertEqual([o["id"] for o in after], [o["id"] for o in before])
        self.quarantine("delete", ids[2], status=1)

    def test_a_lost_key(self):
        ids = self.store(2)
        key = self.data / "quarantine/key"
        kept = key.read_bytes()
        key.unlink()
        result = self.quarantine("get", "-o", "out", ids[0], status=2)
        self.assertIn("key", result.errors)
        self.assertFalse((self.folder / "out").exists())
        key.write_bytes(kept)
        key.chmod(0o644)
        self.assertIn("chmod 600", self.quarantine("list", status=2).errors)
        key.chmod(0o600)
        self.quarantine("verify")

    def test_a_new_key(self):
        ids = self.store(3)
        before = (self.data / "quarantine/key").read_bytes()
        self.assertEqual(self.quarantine("rekey").text, "3 objects moved to a new key\n")
        self.assertNotEqual((self.data / "quarantine/key").read_bytes(), before)
        self.assertEqual(self.quarantine("verify").text, "3 good, 0 bad, 0 strays\n")
        self.quarantine("get", "-o", "out", ids[0])

    def test_every_operation_is_on_record(self):
        """R43."""
        one, two = self.store(2)
        self.quarantine("get", "-o", "out", "--reason", "analysis", one)
        self.quarantine("verify", one)
        self.quarantine("verify")
        self.quarantine("release", one)
        self.quarantine("hold", one)
        self.quarantine("hold", "--off", one)
        self.quarantine("delete", "--reason", "done with it", two)
        self.assertEqual(self.operations(), [
            ("store", "done"), ("store", "done"), ("get", "done"), ("verify", "done"),
            ("verify", "done"), ("release", "done"), ("hold", "done"), ("unhold", "done"),
            ("delete", "intent"), ("delete", "done")])
        records = [r for r in self.verify_audit() if r["event"] == "quarantine_operation"]
        for record in records:
            self.assertLessEqual({"scan_id", "quarantine_id", "file_hash_blake3", "operation",
                                  "reason", "tenant_id", "original_filename", "file_size"},
                                 set(record))
            self.assertEqual(record["uid"], os.geteuid())
        self.assertIsNotNone(records[0]["scan_id"])
        self.assertIsNone(records[2]["scan_id"])
        self.assertEqual(records[2]["reason"], "analysis")
        self.assertEqual(records[2]["file_size"], 9)
        self.assertEqual(records[2]["original_filename"], "0")

    def test_without_a_record_nothing_happens(self):
        """A log that can't be written prevents every act."""
        one, = self.store()
        log = self.data / "audit.jsonl"
        log.write_bytes(log.read_bytes()[:-200] + b"tampered\n")
        for command in (("get", "-o", "out"), ("delete",), ("release",), ("hold",)):
            self.quarantine(*command, one, status=2)
        self.assertFalse((self.folder / "out").exists())
        self.assertEqual(names(self.data / "quarantine/objects"), [one])

    def test_nothing_was_ever_stored(self):
        self.assertEqual(self.objects(), [])
        self.assertEqual(self.quarantine("verify").text, "0 good, 0 bad, 0 strays\n")
        self.quarantine("purge")
        self.quarantine("show", ID, status=1)
        self.assertFalse(self.data.exists(), "looking makes nothing")


class Releasing(Quarantine, Case):
    def test_a_swap_is_not_released(self):
        """A digest is no leave for a path that leads to something else by now."""
        self.configure(mock(default="infected:Some.Trojan"))
        bad = self.write("bad", b"bad bytes\n")
        kept = self.scan(bad, status=1).report["quarantine_id"]
        self.quarantine("release", kept)
        self.configure(mock(default="infected:Some.Trojan", latency="1s"))
        with FolderWatch(self.folder, FolderWatch.CLOSE_READ) as watch:
            process = self.start("scan", "--json", "bad")
            while b"bad\0" not in watch.wait():
                pass
        bad.write_bytes(b"worse bytes\n")
        report = self.finish(process).report
        self.assertEqual((report["outcome"], report["action"]), ("infected", "quarantine"))
        self.assertEqual(report["file"]["blake3"], self.objects()[0]["blake3"])


if __name__ == "__main__":
    unittest.main()
