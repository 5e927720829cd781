#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R12: a flag for de-duplication that nobody read; `cached` was always false.

Here a second scan is answered from the verdict cache, and nothing is once it might no longer be
true: other signatures, other rules, other settings, other names where rules look at them."""
import datetime
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import unittest

from regressions import CLEAN, INFECTED, Case, On, clamav, mock
from support import harness
from support.harness import BUILD, PATIENCE, yara

HOOKS = BUILD / "src/worker/scanbridge-worker-hooks"
RULE = 'rule Found { strings: $a = "%s" condition: $a }\n'
ASSURED = {"min_assurance": "rules"}


class Cached(Case):
    def setUp(self):
        super().setUp()
        self.path = self.write("file", CLEAN)

    def cached(self, *words, path=None, **options):
        """Which engines were not asked, and that the report as a whole says the same."""
        report = self.scan(*words, path or self.path, **options).report
        self.assertEqual(report["cached"], all(e["cached"] for e in report["engines"]))
        for entry in report["engines"]:
            self.assertEqual(entry["attempts"] == 0, entry["cached"], entry)
        return [entry["engine"] for entry in report["engines"] if entry["cached"]]

    def known(self):
        digest = self.run_program("hash", str(self.path)).text.split()[0]
        return self.run_program("cache", "lookup", "--json", digest).reports

    # --- What is remembered ----------------------------------------------------------------
    def test_second_scan(self):
        """R12: whole program, several ways, one process after the other."""
        self.configure(mock(), mock("second", content="unknown"))
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["mock", "second"])
        for verb in ("path", "fd", "memory", "blocking"):
            report = self.driver().ask(f"{verb} {self.path}")["report"]
            self.assertTrue(report["cached"], verb)
        self.assertEqual(self.cached("--no-cache"), [])
        summary = self.run_program("scan", self.path).errors
        self.assertRegex(summary, r"cache hits +1\n")
        records = [r for r in self.verify_audit() if r["event"] == "scan_completed"]
        wanted = [False, True] + [True] * 4 + [False, True]
        self.assertEqual([r["cached"] for r in records], wanted)
        events = self.run_program("audit", "export", "--format", "ocsf").reports
        self.assertEqual([e["unmapped"]["cached"] for e in events if "cached" in e["unmapped"]],
                         wanted)

    def test_part_of_it(self):
        """R12: what one engine says is remembered, what another says is not."""
        self.configure(mock(), mock("half", role="optional", default="partial"))
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["mock"])

    def test_policy_is_asked_anew(self):
        """R12: policy is no part of what is remembered; `cached` is a condition of it."""
        self.configure(mock())
        self.cached()
        self.configure(mock(), policy={"preset": "default", "rules": [
            {"id": "old", "when": {"cached": True}, "then": "require_manual_review"}]})
        report = self.scan(self.path, status=1).report
        self.assertEqual((report["rule"]["id"], report["cached"]), ("old", True))
        self.assertEqual(self.scan("--no-cache", self.path, status=0).report["action"], "allow")
        replay = self.write("candidate.yaml", b"preset: default\n")
        result = self.run_program("policy", "replay", "--policy", str(replay))
        self.assertEqual(result.status, 1, str(result))  # the one that was held would be allowed

    def test_what_is_held_back(self):
        """R12: what is known to be infected goes into quarantine like anything else."""
        self.configure(mock(default="infected:Bad.Thing"))
        kept = [self.scan(self.path, status=1).report for _ in range(2)]
        self.assertEqual([r["cached"] for r in kept], [False, True])
        self.assertIn(kept[1]["quarantine_id"], [each["id"] for each in self.objects()])
        self.assertEqual([t["name"] for t in kept[1]["threats"]], ["Bad.Thing"])
        # … and comes out only by today's signatures, not by what was known
        self.configure(mock())
        (self.folder / "back").mkdir()
        self.scan(self.path)
        self.configure(mock(schedule="x", retry={"attempts": 1}))
        self.quarantine("restore", "--to", "back", kept[0]["quarantine_id"], status=1)

    def test_hash_lists_are_asked(self):
        """R12: a list may change from one moment to the next, and costs nothing."""
        block = self.write("block", b"a" * 64 + b"\n")
        self.configure(mock(), {"name": "list", "type": "hashlist", "block": str(block)})
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["mock"])

    def test_checks_ask(self):
        """R12: known-answer tests and looking at engines leave nothing behind."""
        self.configure(mock(default="infected:Eicar", self_test="eicar"))
        self.run_program("engines", "--check")
        self.assertEqual(self.stats()["stores"], 0)

    def stats(self):
        return json.loads(self.run_program("cache", "stats", "--json").text)

    # --- When it is no longer true -----------------------------------------------------------
    def test_other_rules(self):
        """R12: other rules make exactly their engine's verdicts unknown."""
        for name in ("one", "two"):
            self.write(f"{name}.yar", (RULE % "nothing at all").encode())
        self.configure(yara("one", rules="one.yar"), yara("two", rules="two.yar"),
                       decision=ASSURED)
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["one", "two"])
        self.write("two.yar", (RULE % "nothing to see").encode())
        report = self.scan(self.path, status=1).report
        self.assertEqual([e["cached"] for e in report["engines"]], [True, False])
        self.assertEqual([e["outcome"] for e in report["engines"]], ["clean", "infected"])
        self.assertEqual(self.cached(), ["one", "two"])
        self.write("two.yar", (RULE % "nothing at all").encode())
        self.assertEqual(self.cached(), ["one", "two"])  # the first ones again

    def test_other_signatures(self):
        """R12: a clamd that answers VERSION otherwise knows nothing."""
        version = [b"ClamAV 1.4.6/27800/Sun Nov 22 08:00:00 2026"]
        listener = self.fake_clamd(fault=On(version=lambda peer, line: peer.send(
            line.replace(b"27800", version[0].split(b"/")[1]))))
        self.configure(clamav(listener.address, self_test="off"), mock())
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["clamav", "mock"])
        version[0] = version[0].replace(b"27800", b"27801")
        self.assertEqual(self.cached(), ["mock"])
        self.assertEqual(self.cached(), ["clamav", "mock"])

    def test_real_clamd(self):
        """R12: its second answer is remembered, but not for long: VERSION doesn't show
        signatures of third parties. Who wants to know asks for no cache."""
        with self.clamd() as server:
            self.configure(clamav(server.address))
            self.assertEqual(self.cached(), [])
            self.assertEqual(self.cached(), ["clamav"])
            infected = self.write("infected", INFECTED)
            self.scan(infected, status=1)
            report = self.scan(infected, status=1).report
            self.assertEqual((report["cached"], report["outcome"]), (True, "infected"))
            known, = self.known()
            stored, expires = (datetime.datetime.fromisoformat(known[key].replace("Z", "+00:00"))
                               for key in ("stored_at", "expires_at"))
            self.assertEqual(known["identity"], "partial")
            self.assertEqual(expires - stored, datetime.timedelta(minutes=15))
            sign = server.folder / "db/more.ndb"
            sign.write_text(f"Test.More:0:*:{CLEAN[:12].hex()}\n")
            server.kill()
            server.start()
            report = self.scan("--no-cache", self.path, status=1).report
            self.assertEqual(report["outcome"], "infected")
            self.assertEqual(self.cached(), ["clamav"])  # known anew: infected
            self.assertEqual(self.scan(self.path, status=1).report["outcome"], "infected")

    def test_names(self):
        """R12: rules may look at names, so what yara said holds for a name."""
        self.write("names.yar", b'rule Exe { condition: extension == "exe" }\n')
        self.configure(yara(rules="names.yar"), decision=ASSURED)
        others = [self.write(name, CLEAN) for name in ("a.txt", "a.exe", "b/a.exe")]
        seen = [self.scan(path).report for path in others + others]
        self.assertEqual([r["outcome"] for r in seen], ["clean", "infected", "infected"] * 2)
        self.assertEqual([r["cached"] for r in seen],
                         [False, False, True, True, True, True])

    def test_settings(self):
        """R12: what a verdict depends on is part of what it is known by; what it does not, isn't."""
        self.configure(yara(rules=None) | {"rules": []}, decision=ASSURED)
        self.cached()
        self.configure(yara(timeout="7s", concurrency=2, workers=1, role="optional"), mock(),
                       decision=ASSURED, policy={"preset": "strict"})
        self.assertEqual(self.cached(), ["yara"])
        self.configure(yara(), decision=ASSURED, containers={"max_depth": 3})
        self.assertEqual(self.cached(), [])
        self.configure(yara(), decision=ASSURED, containers={"passwords": ["infected"]})
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["yara"])
        self.assertEqual(self.cached("--archive-password", "other"), [])

    def test_it_has_an_end(self):
        """R12: ttl."""
        self.configure(mock(), cache={"ttl": "1ms"})
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), [])
        self.assertGreater(self.stats()["expired"], 0)

    def test_a_worker_that_dies(self):
        """R12: what a worker said that ends in an odd way is forgotten."""
        self.write("own.yar", (RULE % "nothing at all").encode())
        self.configure(yara(rules="own.yar", workers=1, concurrency=1,
                            retry={"attempts": 1}), decision=ASSURED)
        good, bad = self.write("in/1", b"good"), self.write("in/2", b"hook: exit\n")
        hooks = self.environment() | {"SCANBRIDGE_WORKER": str(HOOKS)}
        self.scan("--jobs", "1", good, bad, env=hooks)
        self.assertEqual(self.cached(path=good), [])
        self.assertEqual(self.cached(path=good), ["yara"])

    # --- Doubt is a miss -----------------------------------------------------------------------
    def test_damage(self):
        """R12: a flipped bit, a damaged file, no room, no folder: never an answer that nobody
        gave, never a scan less, and one notice."""
        self.configure(mock(default="infected:Bad.Thing"))
        self.scan(self.path, status=1)
        database, = (self.data / "cache").glob("verdicts-*.sqlite")
        with sqlite3.connect(database) as db:
            entry, = db.execute("SELECT entry FROM verdicts").fetchone()
            at = 81  # the outcome
            db.execute("UPDATE verdicts SET entry = ?",
                       (entry[:at] + bytes([entry[at] ^ 3]) + entry[at + 1:],))
        db.close()
        for damage in (lambda: None, lambda: database.write_bytes(b"no database" * 999)):
            damage()
            for suffix in ("-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
            result = self.scan(self.path, status=1)
            self.assertFalse(result.report["cached"])
            self.assertEqual(result.errors.count("verdict cache: "), 1, str(result))
            self.assertEqual(self.cached(), ["mock"])
            database, = (self.data / "cache").glob("verdicts-*.sqlite")
        shutil.rmtree(self.data / "cache")
        (self.data / "cache").write_text("not a folder")
        for _ in range(2):
            result = self.scan(self.path, status=1)
            self.assertFalse(result.report["cached"])
            self.assertEqual(result.errors.count("verdict cache: "), 1, str(result))

    def test_locked(self):
        """R12: somebody else holds the database for ever."""
        self.configure(mock())
        self.cached()
        database, = (self.data / "cache").glob("verdicts-*.sqlite")
        other = self.write("other", b"other")
        with sqlite3.connect(database, isolation_level=None) as db:
            db.execute("BEGIN EXCLUSIVE")
            self.assertEqual(self.cached(), ["mock"])  # readers don't wait for writers
            self.assertEqual(self.cached(path=other), [])
        db.close()

    def test_two_processes(self):
        """R12: what one learns the other knows; what one forgets the other does not know."""
        self.configure(mock())
        self.assertEqual(self.cached(), [])
        first, second = self.driver(), self.driver()
        for program in (first, second):
            self.assertTrue(program.scan(f"path {self.path}")["cached"])
        digest = self.run_program("hash", str(self.path)).text.split()[0]
        self.assertEqual(self.run_program("cache", "forget", digest).status, 0)
        self.assertFalse(first.scan(f"path {self.path}")["cached"])
        self.assertTrue(first.scan(f"path {self.path}")["cached"])
        self.assertEqual(self.run_program("cache", "clear").status, 0)
        self.assertEqual([p.scan(f"path {self.path}")["cached"] for p in (first, first)],
                         [False, True])

    def test_forget_while_it_is_scanned(self):
        """R12: what is forgotten while an engine is asked is not known when it has answered."""
        asked, go = threading.Event(), threading.Event()

        def reply(peer, request):
            asked.set()
            go.wait(PATIENCE)
            peer.send(request.line())
        listener = self.fake_clamd(fault=On(reply=reply))
        self.configure(clamav(listener.address, self_test="off"))
        process = self.start("scan", "--json", str(self.path))
        self.assertTrue(asked.wait(PATIENCE))
        self.assertEqual(self.run_program("cache", "clear").status, 0)
        go.set()
        self.assert_outcome(self.finish(process).report, "clean")
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cached(), ["clamav"])

    def test_copies_at_the_same_time(self):
        """R12: of many copies in one run the engine sees one."""
        listener = self.fake_clamd()
        self.configure(clamav(listener.address, self_test="off"))
        for number in range(64):
            self.write(f"in/{number}", CLEAN)
        reports = self.scan("--jobs", "16", "in", status=0).reports
        self.assertEqual(sum(r["cached"] for r in reports), 63)
        self.assertEqual(sum(r in (b"FILDES", b"INSTREAM") for r in listener.requests()), 1)


if __name__ == "__main__":
    unittest.main()
