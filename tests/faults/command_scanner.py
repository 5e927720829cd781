#!/usr/bin/python3 -IS
# SPDX-License-Identifier: MIT
"""A command-line scanner that does what its input says: `fault: WORD` in the first line. Without
one it is honest: status 1 and a line like clamscan's for content that holds "needle", else 0.

    command_scanner.py FILE | -        the verdict as exit status; `-`: standard input
    command_scanner.py --json FILE     the verdict as JSON
"""
import os
import signal
import sys

PROCESSES = 120


def hang(*_):
    while True:
        signal.pause()


def deaf(*_):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    hang()


def flood(*descriptors):
    def run(*_):
        while True:
            for descriptor in descriptors:
                os.write(descriptor, b"OK: nothing FOUND\n" * 1000)
    return run


def bomb(*_):
    """A bounded one: PROCESSES of them, in sessions of their own, none of which wants to end."""
    tokens, more = os.pipe()
    os.write(more, b"." * PROCESSES)
    os.set_blocking(tokens, False)
    while True:
        try:
            if not os.read(tokens, 1):
                break
        except BlockingIOError:
            break
        try:
            if os.fork() == 0:
                os.setsid()
        except OSError:
            break
    deaf()


def survivor(path, found):
    """Says the truth, and leaves somebody behind who holds all that it was given."""
    ready, told = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            os.write(told, b".")
            deaf()
        os._exit(0)
    os.read(ready, 1)
    honest(path, found)


def die(number):
    def run(*_):
        os.kill(os.getpid(), number)
        hang()
    return run


def leave(status, text=b""):
    def run(*_):
        os.write(1, text)
        os._exit(status)
    return run


def delete(path, found):
    try:
        os.unlink(path)
    except OSError:
        os._exit(66)
    os._exit(0)


def change(path, found):
    try:
        os.chmod(path, 0o600)
        with open(path, "wb") as file:
            file.write(b"harmless")
    except OSError:
        os._exit(66)
    os._exit(0)


def closes(*_):
    os.closerange(0, 1024)
    deaf()


def answers_itself(*_):
    """Writes where it should read, and where it has no business."""
    for descriptor in (0, 3, 4, 5):
        try:
            os.write(descriptor, b'{ "exit-code": 0 }\n')
        except OSError:
            pass
    os._exit(99)


def honest(path, found):
    if found:
        print(f"{path}: Needle.Found FOUND", flush=True)
    os._exit(1 if found else 0)


FAULTS = {
    "hang": hang, "deaf": deaf, "bomb": bomb, "survivor": survivor, "closes": closes,
    "flood-out": flood(1), "flood-err": flood(2), "flood-both": flood(1, 2),
    "segv": die(signal.SIGSEGV), "abort": lambda *_: os.abort(), "kill": die(signal.SIGKILL),
    "stop": die(signal.SIGSTOP), "shell-139": leave(139),
    "garbage": leave(77, bytes(range(256))), "wrong": leave(42, b"OK\n"),
    "failure": leave(2), "cannot": leave(3), "odd": leave(4),
    "delete": delete, "change": change, "answers-itself": answers_itself,
    "unread": leave(0), "honest": honest,
}

REPLY = b'{"def_time": 1700000000000, "scan_result_i": %d, "threat_found": "%s"}'
JSON_FAULTS = {
    "half": REPLY[:30], "empty": b"", "no": b"OK", "twice": REPLY % (0, b"") * 2,
    "missing": b'{"scan_result_i": 0}', "text": REPLY.replace(b"%d", b'"0"') % b"",
    "failed": REPLY % (3, b""), "unscanned": REPLY % (10, b""), "stranger": REPLY % (77, b""),
    "both": REPLY % (0, b"Needle"),
}


def main(arguments):
    json = arguments[0] == "--json"
    path = arguments[-1]
    if path == "-" and os.environ.get("UNREAD"):
        os._exit(0)
    with open(0 if path == "-" else path, "rb") as file:
        data = file.read()
    word = data.split(b"\n")[0].decode("latin-1")
    word = word[7:] if word.startswith("fault: ") else "honest"
    found = b"needle" in data
    if json and word in JSON_FAULTS:
        leave(0, JSON_FAULTS[word])()
    if json and word == "honest":
        leave(0, REPLY % (found, b"Needle.Found" if found else b""))()
    FAULTS[word](path, found)


main(sys.argv[1:])
