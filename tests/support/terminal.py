# SPDX-License-Identifier: MIT
"""A program on a terminal of its own: what is typed to it, and what it shows."""
import fcntl
import os
import pty
import re
import select
import struct
import termios

from support import harness


class Terminal:
    def __init__(self, command, folder, columns=80, **environment):
        """The environment is added to ours; a value of None takes a name out."""
        changed = os.environ | {"TERM": "xterm"} | environment
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            os.chdir(folder)
            os.execvpe(str(command[0]), [str(word) for word in command],
                       {name: value for name, value in changed.items() if value is not None})
        self.seen, self.status = "", None

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self):
        if not select.select([self.fd], [], [], harness.PATIENCE)[0]:
            raise AssertionError(f"nothing comes behind {self.seen!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, pattern):
        """Until it was shown; returns the match and forgets what was before."""
        while not (match := re.search(pattern, self.seen)):
            if not self._read():
                raise AssertionError(f"ended without {pattern!r}: {self.seen!r}")
        self.seen = self.seen[match.end():]
        return match

    def finish(self):
        """All that it shows until its end, and its status."""
        while self._read():
            pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.seen

    def close(self):
        os.close(self.fd)
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
