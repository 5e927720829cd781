#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of a clamd of our own as cells (safety.md E1): what may become of it, of its socket, its
temporary folder, its signatures and its program, times content that it knows or not, times a required
engine and an optional one that tries twice. In every cell: the truth, or a named error; no later than
the deadline and 250 ms; when the fault is over, EICAR is found and benign content is clean; and in
the end no process, descriptor, thread or file is left. The clamd is the real one wherever that can
show the fault."""
import base64
import collections
import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.harness import CLEAN, INFECTED, PATIENCE, private_clamd, samples  # noqa: E402
from support.spawned import SpawnCase, await_end, clamds  # noqa: E402

DEAD, AWAY, LATE = {"engine_crashed"}, {"connection_failed"}, {"timeout"}
NOT_UP = {"engine_unavailable"}
TIMEOUT_MS = 20_000  # for what ends by itself, however busy the machine is
SHORT_MS = 600  # for what does not
ROLES = (("required", 1), ("optional", 2))  # and how often it is tried
SILENT = {"start_timeout": "400ms"}

MAIL = (b"From: a@example.org\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=\"B\"\r\n\r\n--B\r\n"
        b"Content-Type: application/octet-stream; name=a.com\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%s\r\n--B--\r\n")
PACKED = {"a.zip": samples.zipped("a", INFECTED), "a.tgz": samples.tarred("a", INFECTED),
          "a.7z": samples.seven_zipped("a", INFECTED),
          "a.eml": MAIL % base64.encodebytes(INFECTED).replace(b"\n", b"\r\n")}

# What it does in place of being clamd, for as long as there is no file `well`, and the words that
# tell of it once nobody waits for it any more; None: it is never given up.
PROGRAMS = {
    "ends at once": ("exit 0", {}, "ended with status 0"),
    "complains and ends": ("echo 'ERROR: no such thing' >&2; exit 3", {}, "ERROR: no such thing"),
    "dies at once": ("kill -SEGV $$", {}, "signal 11"),
    "never listens": ("exec sleep 1000", SILENT, "did not answer in time"),
    "leaves children": ("sleep 1000 & sleep 1000 & exit 1", {}, "ended with status 1"),
    "deaf to signals": ("trap '' TERM INT HUP; while :; do sleep 1000; done", SILENT,
                        "did not answer in time"),
    "floods its log": ("exec yes 'ERROR: too much'", SILENT, "ERROR: too"),
    "a line without end": ("exec tr '\\0' x </dev/zero", SILENT, "did not answer in time"),
    "a plain file as socket": (": >clamd.sock; exec sleep 1000", SILENT,
                               "did not answer in time"),
    "takes long": ("exec sleep 1000", {}, None),
}

# Listens, and says what it is told to: %s is a reply to VERSION.
TALKER = '''#!/usr/bin/python3
import os, socket, sys, threading
if os.path.exists("%(well)s"):
    os.execv("%(clamd)s", ["clamd", *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.bind("clamd.sock")
server.listen(9)
def flood():
    while %(flood)s:
        os.write(1, b"LibClamAV Warning: much to say\\n" * 99)
threading.Thread(target=flood, daemon=True).start()
while True:
    peer, _ = server.accept()
    word = peer.recv(99)
    if word == b"zSHUTDOWN\\0":
        os._exit(0)
    if word == b"zVERSION\\0":
        peer.sendall(%(version)r)
    else:
        while word and not word.endswith(b"\\0\\0\\0\\0"):
            word += peer.recv(99999)
        peer.sendall(b"stream: %%b\\0" %% (b"Eicar FOUND" if b"EICAR" in word else b"OK"))
    peer.close()
'''
REAL_VERSION = b"ClamAV 1.4.6/1/Thu Jan  2 03:04:05 2020\0"


class Supervised(SpawnCase):
    def setUp(self):
        super().setUp()
        self.clamd = private_clamd.program(self.folder)
        self.well = self.folder / "well"
        for name, data in PACKED.items():
            self.write(name, data)

    def host(self, role="required", attempts=1, spawn=None, **settings):
        """A host program that has judged once, with its descriptors and threads."""
        self.use(spawn, {"cache": {"enabled": False}, "audit": {"enabled": False},
                         "quarantine": {"enabled": False}},
                 **{"role": role, "retry": {"attempts": attempts, "initial": "1ms"},
                    "breaker": {"preset": "off"}, "self_test": "off", "pool": False,
                    "timeout": f"{TIMEOUT_MS}ms"} | settings)
        return self.driver()

    def use(self, spawn=None, sections=None, **settings):
        super().use(spawn, sections, **settings)
        if settings:  # and one that finds everything clean
            document = self.config.read_text()
            end = document.index("\n ]")
            self.config.write_text(f'{document[:end]}, {{"name": "mock", "type": "mock"}}'
                                   f'{document[end:]}')

    def ended(self, pid):
        """It is gone: killed, and no more than that, by whoever it was."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            await_end(handle)
            os.close(handle)

    def pid(self):
        """Of the clamd that runs; it may be about to."""
        deadline = time.monotonic() + PATIENCE
        while len(found := clamds(self.folder)) != 1:
            self.assertLess(time.monotonic(), deadline, found)
        return found[0]

    def stop(self, pid):
        os.kill(pid, signal.SIGSTOP)
        while " T " not in pathlib.Path(f"/proc/{pid}/stat").read_text():
            pass

    # --- one cell --------------------------------------------------------------------------
    def check(self, report, name, kinds, limit):
        """The truth, or one of the kinds; what the engine said."""
        entry = next(e for e in report["engines"] if e["engine"] == "clamav")
        self.assertLessEqual(report["duration_ms"], limit + 250)
        if entry["outcome"] == "error":
            self.assertIn(entry["error"]["kind"], kinds, report)
            self.assertTrue(entry["error"]["message"])
            # The mock has looked at all of it: with an optional clamd that is enough.
            self.assertEqual(report["outcome"],
                             "error" if entry["role"] == "required" else "clean", report)
        else:
            self.assertEqual(entry["outcome"], "clean" if "note" in name else "infected",
                             f"{name}: {report}")
        return entry

    def cell(self, program, name, kinds, limit=TIMEOUT_MS):
        report = program.scan(f"path {self.folder}/{name} timeout={limit}")
        return self.check(report, name, kinds, limit)

    def cells(self, program, kinds, limit=TIMEOUT_MS, names=("note.txt", "eicar.com"),
              says=None):
        """All of them in an error that says so."""
        for name in names:
            entry = self.cell(program, name, kinds, limit)
            self.assertEqual(entry["outcome"], "error", name)
            self.assertIn(says or "", entry["error"]["message"])

    def settled(self, program, kinds=frozenset()):
        """After named errors at most, for a while, content is judged as ever."""
        deadline = time.monotonic() + PATIENCE
        while self.cell(program, "eicar.com", kinds)["outcome"] == "error":
            self.assertLess(time.monotonic(), deadline)
        for name in ("note.txt", "eicar.com", *PACKED):
            self.assertNotEqual(self.cell(program, name, ())["outcome"], "error")
        return program.ask("stats")

    def inside(self, program, names, limit=TIMEOUT_MS):
        """Scans that have begun to ask a clamd that stands still; no session is kept open."""
        before = self.sockets(program)
        for name in names:
            program.send(f"path {self.folder}/{name} tag={name} timeout={limit}")
        while self.sockets(program) < before + len(names):
            pass

    def sockets(self, program):
        count = 0
        for path in pathlib.Path(f"/proc/{program.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += os.readlink(path).startswith("socket:")
        return count

    def threads(self, program):
        """How many of each kind, but for those that serve calls: they come as they are needed, as
        many as two engines have permits, and two for each processor that read content."""
        count = collections.Counter()
        for path in pathlib.Path(f"/proc/{program.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                count[(path / "comm").read_text().strip()] += 1
        self.assertLessEqual(count.pop("sb-engine", 0), 2 * 4)
        self.assertLessEqual(count.pop("sb-crew", 0), 2 * os.cpu_count())
        return count

    def answers(self, program, kinds, limit=TIMEOUT_MS):
        program.send("wait")
        entries = {}
        while "waited" not in (answer := program.read()):
            name = answer["tag"].split("/")[0]
            entries[answer["tag"]] = self.check(answer["report"], name, kinds, limit)
        return entries

    def in_every_role(self, play, roles=ROLES, **settings):
        for role, attempts in roles:
            with self.subTest(role):
                program = self.host(role, attempts, **settings)
                before, others = self.settled(program), self.threads(program)
                play(program)
                after = self.settled(program, AWAY | NOT_UP)
                self.assertLessEqual(after["fds"], before["fds"] + 4)
                self.assertEqual(self.threads(program), others)
                self.assertIsNone(program.end())
                self.nothing_is_left()
                shutil.rmtree(self.data)


class Process(Supervised):
    def test_killed_before_a_scan(self):
        """Content that came too late for it is not what it died of, however often that happens."""
        def play(program):
            for name in ("eicar.com", "eicar.com"):
                self.settled(program, AWAY | NOT_UP)
                self.ended(self.pid())
                self.cell(program, name, AWAY)
        self.in_every_role(play)

    def test_killed_after_a_scan(self):
        """Its session is still open."""
        def play(program):
            self.ended(self.pid())
            for name in ("note.txt", "eicar.com"):
                self.cell(program, name, AWAY)
        self.in_every_role(play, pool=True)

    def test_killed_during_a_scan(self):
        """Other content each time: what it seems to have died of twice is not shown to it again."""
        numbers = itertools.count()

        def play(program):
            for kinds in (["bad"], ["note", "bad", "note", "bad"]):
                names = [f"{kind}.{next(numbers)}" for kind in kinds]
                for name in names:
                    self.write(name, samples.zipped(name, CLEAN if "note" in name else INFECTED))
                self.settled(program, AWAY | NOT_UP)
                pid = self.pid()
                self.stop(pid)
                self.inside(program, names)
                self.ended(pid)
                self.assertEqual(len(self.answers(program, DEAD | AWAY)), len(names))
        self.in_every_role(play)

    def test_stands_still_and_goes_on(self):
        def play(program):
            pid = self.pid()
            self.stop(pid)
            self.inside(program, ["note.txt", "eicar.com"], SHORT_MS)
            for entry in self.answers(program, LATE, SHORT_MS).values():
                self.assertEqual(entry["outcome"], "error")
            os.kill(pid, signal.SIGCONT)
            self.settled(program, AWAY)
            self.assertEqual(self.pid(), pid)
        self.in_every_role(play)

    def test_stands_still_for_good(self):
        def play(program):
            pid = self.pid()
            self.stop(pid)
            self.inside(program, ["note.txt", "eicar.com"])
            self.answers(program, DEAD | AWAY)
            self.assertNotIn(pid, clamds(self.folder))
        self.in_every_role(play, spawn=SILENT)

    def test_killed_again_and_again(self):
        """It is started later each time; meanwhile the breaker opens, and closes by itself."""
        program = self.host(breaker={"failure_threshold": 2, "success_threshold": 1,
                                     "open": "20ms", "max_open": "20ms"}, concurrency=1)
        self.settled(program)
        for _ in range(2):
            self.ended(self.pid())
            self.settled(program, AWAY | NOT_UP | {"circuit_open"})
        self.ended(self.pid())
        kinds = set()
        while "circuit_open" not in kinds:
            entry = self.cell(program, "eicar.com", AWAY | NOT_UP | {"circuit_open"}, 200)
            kinds.add(entry["error"]["kind"] if entry["outcome"] == "error" else None)
            if entry["outcome"] != "error":
                self.ended(self.pid())
        deadline = time.monotonic() + PATIENCE
        while program.ask("breaker clamav")["breaker"] != "closed":
            self.cell(program, "eicar.com", AWAY | NOT_UP | {"circuit_open"})
            self.assertLess(time.monotonic(), deadline)
        self.settled(program)
        self.assertGreaterEqual(self.log().count("was killed by signal 9"), 3)

    def test_many_scans_while_it_starts_again(self):
        program = self.host(concurrency=8)
        self.settled(program)
        for round_ in range(2):
            for number in range(40):
                for name in ("note.txt", "eicar.com"):
                    program.send(f"path {self.folder}/{name} tag={name}/{round_}.{number} "
                                 f"timeout={TIMEOUT_MS}")
            self.ended(self.pid())
            self.assertEqual(len(self.answers(program, DEAD | AWAY | NOT_UP)), 80)
        self.settled(program, AWAY | NOT_UP)

    def test_the_host_is_killed_with_scans_inside(self):
        program = self.host()
        self.settled(program)
        pid = self.pid()
        self.stop(pid)
        self.inside(program, ["note.txt", "eicar.com"])
        handle = os.pidfd_open(pid)
        self.addCleanup(os.close, handle)
        program.kill()
        program.close()
        await_end(handle)
        other = self.driver()
        self.settled(other)
        self.assertIsNone(other.end())
        self.nothing_is_left()


class Places(Supervised):
    """What it needs on disk is taken away."""

    def test_its_socket_is_removed(self):
        def play(program):
            pid = self.pid()
            (self.home() / "socket/clamd.sock").unlink()
            for name in ("note.txt", "eicar.com"):
                self.cell(program, name, AWAY)
            self.settled(program, AWAY)
            self.assertNotEqual(self.pid(), pid)
        self.in_every_role(play)

    def test_its_temporary_folder_is_removed(self):
        """Without it clamd calls everything clean."""
        def play(program):
            for path in self.temporary():
                shutil.rmtree(path)
            for name in ("eicar.com", "note.txt"):
                self.cell(program, name, NOT_UP | AWAY)
        for transport in ("fildes", "instream"):
            self.in_every_role(play, transport=transport)

    def test_a_folder_lost_by_one_that_others_share(self):
        """Who only uses another process's clamd can't hear its words, and sees it all the same."""
        owner, other = self.host(), self.host()
        self.settled(owner)
        self.settled(other)
        for program, name in ((other, "eicar.com"), (other, "note.txt")):
            for path in self.temporary():
                shutil.rmtree(path)
            self.cell(program, name, NOT_UP | AWAY)
            self.settled(owner, NOT_UP | AWAY)
            self.settled(other, NOT_UP | AWAY)

    def test_its_temporary_folder_is_closed_to_it(self):
        if os.geteuid() != 0:
            self.skipTest("takes root: the folder would be ours")

        def play(program):
            for name in ("eicar.com", "note.txt"):
                self.settled(program, AWAY | NOT_UP)
                for path in self.temporary():
                    os.chown(path, 0, 0)
                    path.chmod(0o700)
                self.cell(program, name, NOT_UP | AWAY)
        self.in_every_role(play)

    def test_its_temporary_folder_is_full(self):
        """Without room it calls clean what it can't unpack: archives, mail."""
        place = self.folder / "small"
        place.mkdir(mode=0o755)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m,mode=755", "none", place],
                          capture_output=True).returncode != 0:
            self.skipTest("no file system of a few MiB can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(place)])

        def play(program):
            with contextlib.suppress(OSError), open(place / "full", "wb", buffering=0) as full:
                while full.write(bytes(4096)):
                    pass
            self.cells(program, NOT_UP, names=("note.txt", "a.zip", "a.tgz", "a.7z", "a.eml"))
            self.cell(program, "eicar.com", NOT_UP)
            (place / "full").unlink()
            self.settled(program)  # nor has it kept such a clean
        for transport in ("fildes", "instream"):
            self.in_every_role(play, spawn={"temporary": str(place)}, max_size="1MiB",
                               concurrency=1, transport=transport)
        self.assertEqual(os.listdir(place), [])


class Signatures(Supervised):
    """It has to start again with what is left of them."""

    def with_signatures(self, files, says, roles=ROLES):
        good = (self.signatures / "eicar.ndb").read_text()

        def play(program):
            for path in self.signatures.iterdir():
                path.unlink()
            for name, text in files.items():
                (self.signatures / name).write_text(text)
            self.ended(self.pid())
            while self.cell(program, "note.txt", NOT_UP | AWAY)["error"]["kind"] in AWAY:
                pass  # it has not been noticed yet
            self.cells(program, NOT_UP, says=says)
            for path in self.signatures.iterdir():
                path.unlink()
            (self.signatures / "eicar.ndb").write_text(good)
        self.in_every_role(play, roles)

    def test_none_are_left(self):
        self.with_signatures({}, "has no signatures")

    def test_none_that_find_anything(self):
        self.with_signatures({"a.ign2": "Some.Name\n", "a.cfg": ""}, "has no signatures")

    def test_damaged_ones(self):
        self.with_signatures({"eicar.ndb": samples.eicar_signature()[:30]}, "Malformed database",
                             ROLES[:1])


class Programs(Supervised):
    """What is started is no clamd, for a while."""

    def place(self, number):
        """Each host has a data directory of its own, so that they can wait side by side."""
        self.data = self.folder / f"data.{number}"
        self.config = self.folder / f"{number}.yaml"

    def play(self, rows):
        """Rows of a program, settings of spawn, and words of the error."""
        hosts = []
        for number, (path, spawn, says) in enumerate(rows):
            self.place(number)
            role, attempts = ROLES[number % 2]
            program = self.host(role, attempts, spawn | {"program": str(path)})
            hosts.append((program, f"{pathlib.Path(path).name} {role}", says))
        for program, name, says in hosts:
            with self.subTest(name):
                self.cells(program, NOT_UP, TIMEOUT_MS if says else SHORT_MS,
                           says=says or "is starting")
        self.well.touch()
        os.utime(self.signatures / "eicar.ndb")  # which is a reason to try again soon
        for pid in clamds(self.folder):
            self.ended(pid)
        for number, (program, name, _) in enumerate(hosts):
            with self.subTest(f"{name}, mended"):
                self.place(number)
                self.settled(program, NOT_UP | AWAY)
                self.assertIsNone(program.end())
                self.nothing_is_left_here()
                self.assertLess((self.home() / "clamd.log").stat().st_size, 300_000)

    def nothing_is_left_here(self):
        self.assertEqual(clamds(self.data), [])
        self.assertEqual(self.temporary(), [])

    def test_what_is_no_clamd(self):
        rows = [(self.program(f"test -e {self.well} && exec {self.clamd} \"$@\"\n{text}\n",
                              name.replace(" ", "-")), spawn, says)
                for name, (text, spawn, says) in PROGRAMS.items()]
        for name, version in (("http", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                              ("nothing", b"")):
            rows.append((self.talker(name, version=version), SILENT, "did not answer in time"))
        self.play(rows)

    def talker(self, name, **words):
        path = self.folder / name
        path.write_text(TALKER % ({"well": self.well, "clamd": self.clamd, "flood": False} | words))
        path.chmod(0o755)
        return path

    def test_floods_and_judges(self):
        """What it says does not keep its verdicts up, and its log stays small."""
        path = self.talker("floods", version=REAL_VERSION, flood=True)
        program = self.host(spawn={"program": str(path)}, transport="instream")
        for _ in range(2):
            for name in ("note.txt", "eicar.com"):
                self.assertNotEqual(self.cell(program, name, ())["outcome"], "error")
        self.assertIsNone(program.end())
        self.assertLess(sum(path.stat().st_size for path in self.home().glob("clamd.log*")),
                        600_000)

    def test_no_program_at_all(self):
        path = self.write("text", b"this is no program\n")
        path.chmod(0o755)
        program = self.host(spawn={"program": str(path)})
        self.cells(program, NOT_UP, says="could not be started")


class Limits(Supervised):
    def test_larger_than_its_limits(self):
        self.write("large", b"x" * ((1 << 20) + 1))
        self.write("bomb", samples.zipped("zeros", bytes(8 << 20)))

        def play(program):
            for name, kind in (("large", "file_too_large"), ("bomb", "limit_exceeded")):
                self.cells(program, {kind}, names=[name])
        self.in_every_role(play, max_size="1MiB")


if __name__ == "__main__":
    unittest.main()
