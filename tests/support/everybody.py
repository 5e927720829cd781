# SPDX-License-Identifier: MIT
"""All engines that ask somebody, each with its real peer, in one configuration: yara and a plugin
in workers, clamd, c-icap with clamd behind it, clamscan, and a VirusTotal of our own."""
import os
import shutil

from support import plugins
from support.harness import INFECTED, PrivateClamd, engines_built, samples
from support.icap import INSTALLED, PrivateIcap
from support.virustotal import KEY, VirusTotal

NAMES = ("yara", "clamd", "icap", "command", "plugin", "virustotal")
NEEDLE = INFECTED[28:62].decode()  # what EICAR's file holds
WORD = plugins.ROOT / "examples/custom-engine/word.c"


def missing():
    """Why they can't be together here; None: they can."""
    for name in NAMES:
        if name not in engines_built():
            return f"this build has no engine {name}"
    if not INSTALLED or not shutil.which("clamscan"):
        return "c-icap or clamscan is not installed"
    return plugins.unusable()


class Everybody:
    """The peers; @p server (faults.server) is VirusTotal's; @p cleanup as in unittest."""

    def __init__(self, folder, server, cleanup, **clamd):
        self.clamd = PrivateClamd(**clamd)
        cleanup(self.clamd.close)
        self.icap = PrivateIcap(self.clamd)
        cleanup(self.icap.close)
        self.virustotal = VirusTotal().listen(server)
        self.plugin = plugins.compiled(plugins.folder(cleanup), source=WORD, name="word.so")
        self.key = folder / "virustotal.key"
        self.key.write_text(KEY)
        os.chmod(self.key, 0o600)
        self.database = folder / "clamscan"
        self.database.mkdir()
        (self.database / "eicar.ndb").write_text(samples.eicar_signature())

    def engines(self, **settings):
        """Their sections; @p settings are for each."""
        database = f"--database={self.database}"
        own = {
            "yara": {},
            "clamd": {"address": self.clamd.address},
            "icap": {"url": self.icap.url()},
            "command": {"preset": "clamscan", "version_command": ["clamscan", "--version", database],
                        "argv": ["clamscan", "--no-summary", "--stdout", "--alert-exceeds-max=yes",
                                 "--alert-encrypted=yes", database, "{}"]},
            "plugin": {"path": str(self.plugin), "settings": {"word": NEEDLE}},
            "virustotal": {"api_key_file": str(self.key), "base_url": self.virustotal.base},
        }
        return [{"name": name, "type": name} | own[name] | settings for name in NAMES]
