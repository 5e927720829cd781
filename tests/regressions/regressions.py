# SPDX-License-Identifier: MIT
"""What the regressions share: a test case with a scripted clamd and a host program."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from faults.clamd import Clamd, Fault  # noqa: E402
from faults.server import Server  # noqa: E402
from support import driver, harness  # noqa: E402
from support.harness import CLEAN, INFECTED, clamav, mock  # noqa: E402,F401
from support.virustotal import KEY, VirusTotal  # noqa: E402


class On(Fault):
    """Honest, but for one place: On(reply=lambda peer, request: …)."""

    def __init__(self, **places):
        for name, action in places.items():
            setattr(self, name, action)


class Case(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self._stop_server)

    def _stop_server(self):
        self.server.stop()
        self.assertEqual(self.server.failures(), [])

    def fake_clamd(self, tcp=False, **options):
        """A scripted clamd's listener; honest unless a fault is given."""
        script = Clamd(**options)
        if tcp:
            return self.server.listen_tcp(script)
        return self.server.listen_unix(f"{self.folder}/{len(self.server.listeners)}.sock", script)

    def virustotal(self, file=None, **settings):
        """An engine before a VirusTotal of ours, `self.service`; honest unless `file` answers."""
        self.write("key", KEY.encode()).chmod(0o600)
        self.service = VirusTotal(**{"file": file} if file else {}).listen(self.server)
        return {"name": "vt", "type": "virustotal", "base_url": self.service.base,
                "api_key_file": str(self.folder / "key"), "poll_interval": "10ms"} | settings

    def driver(self):
        """A host program with a manager of the case's configuration."""
        program = driver.Driver(self.config, self.folder)
        self.addCleanup(self._end_driver, program)
        program.open()
        return program

    def _end_driver(self, program):
        complaint = program.end()
        self.assertIsNone(complaint)

    def entry(self, report, engine):
        """An engine's entry of a report; there is exactly one."""
        found = [entry for entry in report["engines"] if entry["engine"] == engine]
        self.assertEqual(len(found), 1, report)
        return found[0]

    # --- quarantine ------------------------------------------------------------------------
    def quarantine(self, *words, status=0, **options):
        result = self.run_program("quarantine", *words, **options)
        self.assertEqual(result.status, status, str(result))
        return result

    def objects(self, *words):
        """What `quarantine list` shows, newest first."""
        return self.quarantine("list", "--json", *words).reports

    def store(self, *contents):
        """Put contents into quarantine; their ids."""
        self.configure(mock(default="infected:Some.Trojan"))
        return [self.scan(self.write(f"in/{number}", data), status=1).report["quarantine_id"]
                for number, data in enumerate(contents)]

    def operations(self):
        """The records about quarantine."""
        return [record for record in self.verify_audit()
                if record["event"] == "quarantine_operation"]
