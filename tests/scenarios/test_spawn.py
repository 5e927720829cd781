# SPDX-License-Identifier: MIT
"""A clamd of our own: started, watched, started again, told of new signatures, and gone with us.
The clamd is a real one, but where a test is about one that misbehaves."""
import json
import os
import pathlib
import shutil
import signal
import stat
import threading
import time
import unittest

from support import harness
from support.driver import Driver
from support.harness import CLEAN, PATIENCE, samples
from support.spawned import SpawnCase, await_end, clamds, signature

PYTHON = "/usr/bin/python3"
NAMED = {"engine_crashed", "connection_failed", "engine_unavailable"}
# Says that its signatures are of 2020, and that everything is fine.
OLD = '''import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("clamd.sock")
server.listen(9)
while True:
    peer, _ = server.accept()
    word = peer.recv(99)
    if word == b"zSHUTDOWN\\0":
        break
    if word == b"zVERSION\\0":
        peer.sendall(b"ClamAV 1.4.6/25678/Thu Jan  2 03:04:05 2020\\0")
    else:
        while word and not word.endswith(b"\\0\\0\\0\\0"):
            word = peer.recv(99999)
        peer.sendall(b"stream: OK\\0")
    peer.close()
'''

# The same, until it sees many x.
FRAGILE = OLD.replace('peer.sendall(b"stream', 'b"x" * 999 in word and os.abort()\n'
                      '        peer.sendall(b"stream')


class Scans(SpawnCase):
    def test_one_command(self):
        """It is started for a scan from the command line, and gone with it."""
        result = self.scan("note.txt", "eicar.com", status=1)
        self.assert_outcome(result.by_name()["note.txt"], "clean", action="allow")
        self.assert_outcome(result.by_name()["eicar.com"], "infected")
        self.assertEqual(result.errors.count("clamd"), 0)
        self.nothing_is_left()

    def test_its_limits_are_what_the_known_answers_want(self):
        result = self.run_program("engines", "--check", "--json")
        state = json.loads(result.out)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual({key: state["check"][key] for key in (
            "ok", "attested_limits", "attested_encrypted", "attested_mail", "attested_max_size",
            "remedy")},
            {"ok": True, "attested_limits": True, "attested_encrypted": True, "attested_mail": True,
             "attested_max_size": True, "remedy": None}, str(result))
        report = self.scan("note.txt").report
        self.assertEqual(report["engines"][0]["coverage"]["content"], "inspected")

    def test_limits_follow_the_engine(self):
        for size in (1 << 20, 3 << 20):
            self.use(max_size=size)
            self.write("large", samples.zipped("zeros", os.urandom(size - 2000)))
            self.assert_outcome(self.scan("large", status=0).report, "clean")
            self.write("larger", os.urandom(size + 1))
            self.assert_outcome(self.scan("larger", status=2).report, "error",
                                kind="file_too_large")

    def test_it_is_somebody_else_when_we_are_root(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        pid, = clamds(self.folder)
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertNotIn("Uid:\t0", status)
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("NoNewPrivs:\t1", status)
        home = self.home()
        self.assertEqual(stat.S_IMODE((home / "socket").stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((home / "clamd.log").stat().st_mode), 0o600)
        program.end()
        self.use({"user": "nobody"})
        self.assertEqual(self.look(self.driver()), "clean")
        pid, = clamds(self.folder)
        self.assertIn("Uid:\t65534\t65534\t65534\t65534",
                      pathlib.Path(f"/proc/{pid}/status").read_text())
        self.use({"user": "nobody-of-that-name"})
        self.assertIn("there is no user", self.scan("note.txt", status=2).errors)

    def test_as_a_user(self):
        if os.geteuid() != 0:
            self.skipTest("is what the other tests do")
        result = self.as_nobody("scan", "--json", "note.txt", "eicar.com")
        self.assertEqual(result.status, 1, str(result))
        self.assert_outcome(result.by_name()["note.txt"], "clean")

    def test_nothing_stays_behind_in_a_host(self):
        """Descriptors, threads and memory in files, over ten managers."""
        program = Driver(self.config, self.folder)
        self.addCleanup(self._end_driver, program)
        seen = []
        for _ in range(10):
            program.open()
            self.assertEqual(self.look(program), "clean")
            program.ask("close")
            stats = program.ask("stats")
            seen.append((stats["fds"], stats["threads"]))
            self.nothing_is_left()
        self.assertEqual(seen[1:], [seen[1]] * 9)

    def test_temporary_folder(self):
        place = self.folder / "unpack"
        place.mkdir(mode=0o755)
        self.use({"temporary": str(place)}, max_size="1MiB", concurrency=1)
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        self.assertEqual(len(list(place.iterdir())), 1)
        program.end()
        self.assertEqual(list(place.iterdir()), [])
        self.use({"temporary": str(place)}, max_size="1900MiB", concurrency=1000)
        result = self.scan("note.txt", status=2)
        self.assertIn("free", result.errors)


class Ends(SpawnCase):
    """clamd ends when nobody has told it to."""

    def test_killed_in_the_middle_of_scans(self):
        self.use(breaker={"preset": "off"}, concurrency=8)
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        for number in range(200):
            self.write(f"many/{number}", os.urandom(100_000))
        for number in range(200):
            program.send(f"path {self.folder}/many/{number} tag={number}")
        program.send("wait")
        answers = [program.read()]
        pid, = clamds(self.folder)
        os.kill(pid, signal.SIGKILL)
        while "waited" not in (answer := program.read()):
            answers.append(answer)
        self.assertEqual(len(answers), 200)
        kinds = {a["report"]["error"]["kind"] for a in answers if a["report"]["error"]}
        self.assertLessEqual(kinds, NAMED)
        self.assertGreater(sum(a["report"]["outcome"] == "clean" for a in answers), 100)
        self.assertEqual(self.look(program, "eicar.com"), "infected")
        self.assertEqual(self.log().count("was killed by signal 9"), 1)
        self.assertNotEqual(clamds(self.folder), [pid])

    def test_what_it_dies_of_is_told(self):
        """One that dies of a file: that file is named, and others are judged afterwards."""
        self.use({"program": self.program(FRAGILE, interpreter=PYTHON)},
                 transport="instream", pool=False, breaker={"preset": "off"})
        self.write("bad", b"x" * 2000)
        program = self.driver()
        report = program.scan(f"path {self.folder}/bad")
        self.assert_outcome(report, "error", kind="engine_crashed", action="block")
        self.assertIn("signal 6", report["error"]["message"])
        self.assertEqual(self.look(program), "clean")

    def test_one_hostile_file_takes_no_other_with_it(self):
        """Whatever was inside when it died is asked about again, one by one: then it shows."""
        self.use({"program": self.program(FRAGILE, interpreter=PYTHON)}, concurrency=8,
                 transport="instream", pool=False)
        self.write("bad", b"x" * 2000)
        for number in range(20):
            self.write(f"good{number}", b"%d" % number)
        program = self.driver()
        answers = program.scan_all([f"path {self.folder}/{name} tag={name}" for name in
                                    ["bad", *(f"good{number}" for number in range(20))]])
        bad = answers.pop("bad")["report"]
        self.assert_outcome(bad, "error", kind="engine_crashed", action="block")
        self.assertEqual({answer["report"]["outcome"] for answer in answers.values()}, {"clean"})
        dead = self.log().count("was killed by signal 6")
        self.assertLessEqual(dead, 3)
        report = program.scan(f"path {self.folder}/bad")
        self.assert_outcome(report, "error", kind="engine_crashed", action="block")
        self.assertEqual(self.log().count("was killed by signal 6"), dead, "shown to it again")

    def test_wrong_programs(self):
        mine = self.program("exit 0")
        os.chmod(mine, 0o777)
        for given, words in ((str(self.folder / "none"), "No such file"),
                             (str(self.folder), "is no program"),
                             (str(self.folder / "note.txt"), "is no program"),
                             (mine, "can be written by other users")):
            self.use({"program": given})
            result = self.scan("note.txt", status=2)
            self.assertIn(words, result.errors)

    def test_one_that_ends_at_once(self):
        program = self.program("echo 'ERROR: no such thing' >&2; exit 3")
        self.use({"program": program}, timeout="30s")
        report = self.scan("note.txt", status=2).report
        self.assert_outcome(report, "error", kind="engine_unavailable", action="block")
        for words in ("does not come up", "ended with status 3", "ERROR: no such thing"):
            self.assertIn(words, report["error"]["message"])

    def test_a_loop_of_starts_is_no_flood(self):
        """It is tried again and again; the log does not grow with it."""
        self.write("count", b"")
        os.chmod(self.folder / "count", 0o666)
        program = self.program(f"echo x >> {self.folder}/count; seq 1000; exit 1")
        self.use({"program": program}, breaker={"preset": "off"}, retry={"attempts": 1})
        host = self.driver()
        self.assertEqual(self.look(host), "engine_unavailable")
        size = len(self.log())
        with harness.FolderWatch(self.folder, harness.FolderWatch.MODIFY) as watch:
            while (self.folder / "count").stat().st_size < 10:
                watch.wait()
        self.assertEqual(len(self.log()), size)
        self.assertLess(self.log().count("clamd: "), 3001)

    def test_one_that_hangs(self):
        program = self.program("exec sleep 1000")
        self.use({"program": program, "start_timeout": "60s"}, timeout="1s")
        report = self.scan("note.txt", status=2).report
        self.assert_outcome(report, "error", kind="engine_unavailable", action="block")
        self.assertIn("is starting", report["error"]["message"])
        self.nothing_is_left()
        self.use({"program": program, "start_timeout": "100ms"}, timeout="30s")
        report = self.scan("note.txt", status=2).report
        self.assert_outcome(report, "error", kind="engine_unavailable", action="block")
        self.assertIn("did not answer in time", report["error"]["message"])

    def test_one_that_falls_silent(self):
        """Stopped, it neither answers nor ends."""
        self.use({"start_timeout": "2s"}, timeout="60s")
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        pid, = clamds(self.folder)
        os.kill(pid, signal.SIGSTOP)
        self.assertEqual(self.look(program, "eicar.com"), "infected")
        self.assertIn("does not answer any more", self.log())
        self.assertNotEqual(clamds(self.folder), [pid])

    def test_no_signatures(self):
        (self.signatures / "eicar.ndb").unlink()
        report = self.scan("note.txt", status=2).report
        self.assert_outcome(report, "error", kind="engine_unavailable", action="block")
        self.assertIn("has no signatures", report["error"]["message"])

    def test_the_host_is_killed(self):
        """Nothing of it goes on, and the next start clears up."""
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        pid, = clamds(self.folder)
        handle = os.pidfd_open(pid)
        self.addCleanup(os.close, handle)
        left = self.temporary()
        self.assertEqual(len(left), 1)
        program.kill()
        await_end(handle)
        self.assertEqual(self.scan("note.txt", status=0).report["outcome"], "clean")
        self.nothing_is_left()


class Signatures(SpawnCase):
    def replace(self, name, text):
        """As freshclam does it."""
        (self.folder / "new").write_text(text)
        os.chmod(self.folder / "new", 0o644)
        os.rename(self.folder / "new", self.signatures / name)

    def version(self, program):
        return program.scan(f"path {self.folder}/note.txt")["engines"][0]["signature_version"]

    def test_a_change_is_followed(self):
        self.use(sections={"cache": {"enabled": False}})
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        before = self.version(program)
        self.replace("new.ndb", signature("Note.Found", CLEAN.decode()))
        self.await_log("clamd judges by signatures")
        self.assertEqual(self.look(program), "infected")
        self.assertNotEqual(self.version(program), before)
        self.assertEqual(self.log().count("clamd was started"), 1)

    def test_what_is_remembered_ends_with_the_signatures(self):
        """What was clean by the old ones is asked again by the new ones: soon, for who an engine
        is, is asked every few seconds."""
        program = self.driver()
        while not program.scan(f"path {self.folder}/note.txt")["cached"]:
            pass
        self.replace("new.ndb", signature("Note.Found", CLEAN.decode()))
        deadline = time.monotonic() + PATIENCE
        while self.look(program) == "clean":
            self.assertLess(time.monotonic(), deadline)

    def test_broken_signatures_are_not_loaded(self):
        self.use(sections={"cache": {"enabled": False}})
        program = self.driver()
        self.assertEqual(self.look(program, "eicar.com"), "infected")
        before = self.version(program)
        self.replace("new.ndb", "nonsense\n")
        self.await_log("could not load the signatures")
        self.assertEqual(self.look(program, "eicar.com"), "infected")
        self.assertEqual(self.version(program), before)
        self.replace("new.ndb", signature("Note.Found", CLEAN.decode()))
        self.await_log("clamd judges by signatures")
        self.assertEqual(self.look(program), "infected")

    def test_off_follows_nothing(self):
        self.use({"update": "off"})
        program = self.driver()
        self.assertEqual(self.look(program), "clean")
        self.replace("new.ndb", signature("Note.Found", CLEAN.decode()))
        self.assertEqual(self.look(program), "clean")
        program.end()
        self.assertNotIn("have changed", self.log())
        self.assertEqual(self.look(self.driver()), "infected")

    def test_freshclam_fills_our_own(self):
        """Nothing is there at first; then something, at once; then something else."""
        fetched = signature("Note.Found", CLEAN.decode())
        freshclam = self.program(
            "test -e ../stop && exit 1\n"
            f"grep -q '^DatabaseDirectory .$' \"${{1#*=}}\" || exit 9\n"
            f"echo '{samples.eicar_signature().strip()}' > x && mv x eicar.ndb\n"
            f"test -e second.ndb || test ! -e eicar.done || echo '{fetched.strip()}' > y\n"
            "test -e y && mv y second.ndb\ntouch eicar.done\n", "freshclam")
        self.use({"database": None, "freshclam": freshclam, "interval": "1s"})
        program = self.driver()
        self.assertEqual(self.look(program, "eicar.com"), "infected")
        self.await_log("clamd judges by signatures")
        self.assertEqual(self.look(program), "infected")

    def test_freshclam_that_fails(self):
        """What is there is used; the failure stands in the log."""
        freshclam = self.program("echo 'ERROR: no network'; exit 8", "freshclam")
        self.use({"database": None, "freshclam": freshclam})
        report = self.scan("note.txt", status=2).report
        self.assertIn("has no signatures", report["error"]["message"])
        shutil.copy(self.signatures / "eicar.ndb", self.data / "clamav/db/eicar.ndb")
        self.assertEqual(self.scan("eicar.com", status=1).report["outcome"], "infected")
        self.assertIn("freshclam ended with status 8", self.log())
        self.assertIn("freshclam: ERROR: no network", self.log())

    def test_a_folder_of_others_is_not_written_to(self):
        self.use({"update": "freshclam"})
        self.assertIn("leave out database", self.scan("note.txt", status=2).errors)

    def test_old_signatures(self):
        """max_signature_age holds from the first scan on."""
        program = self.program(OLD, interpreter=PYTHON)
        self.use({"program": program}, transport="instream", pool=False)
        self.assertEqual(self.scan("note.txt", status=0).report["outcome"], "clean")
        self.use({"program": program}, transport="instream", pool=False,
                 max_signature_age="30d")
        report = self.scan("--no-cache", "note.txt", status=2).report
        self.assert_outcome(report, "error", kind="engine_unavailable", action="block")
        self.assertIn("max_signature_age", report["error"]["message"])
        state = json.loads(self.run_program("engines", "--json").out)
        self.assertGreater(state["signature_age_s"], 5 * 365 * 86400)


class Processes(SpawnCase):
    """Several with one data directory."""

    def test_one_clamd_for_all(self):
        hosts = [self.driver() for _ in range(3)]
        self.assertEqual([self.look(host, "eicar.com") for host in hosts], ["infected"] * 3)
        pid, = clamds(self.folder)
        self.assertEqual(self.scan("note.txt", status=0).report["outcome"], "clean")
        self.assertEqual(clamds(self.folder), [pid])
        versions = {host.scan(f"path {self.folder}/note.txt")["engines"][0]["signature_version"]
                    for host in hosts}
        self.assertEqual(len(versions), 1)

    def test_who_is_left_takes_over(self):
        """Whether the first one ends well or is killed."""
        self.use(breaker={"preset": "off"})
        hosts = [self.driver() for _ in range(3)]
        self.assertEqual([self.look(host) for host in hosts], ["clean"] * 3)
        for number, end in ((2, Driver.end), (3, Driver.kill)):
            owner = self.owner(hosts)
            hosts.remove(owner)
            self.assertIsNone(end(owner))
            self.await_log("clamd is up", number)
            self.assertEqual([self.until_judged(host) for host in hosts],
                             ["infected"] * len(hosts))

    def owner(self, hosts):
        """Between a host and its clamd is the keeper."""
        pid, = clamds(self.folder)
        for _ in range(2):
            pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        host, = (host for host in hosts if host.process.pid == pid)
        return host

    def until_judged(self, host):
        """In between there may be named errors."""
        deadline = time.monotonic() + PATIENCE
        while (seen := self.look(host, "eicar.com")) in NAMED:
            self.assertLess(time.monotonic(), deadline)
        return seen

    def test_other_settings_are_another_clamd(self):
        host = self.driver()
        self.assertEqual(self.look(host), "clean")
        self.use(max_size="1MiB")
        other = self.driver()
        self.assertEqual(self.look(other), "clean")
        self.assertEqual(len(clamds(self.folder)), 2)

    def test_all_at_once(self):
        results = []
        threads = [threading.Thread(target=lambda: results.append(
            self.scan("eicar.com").report["outcome"])) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, ["infected"] * 6)


if __name__ == "__main__":
    unittest.main()
