#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The matrix itself: a careful client passes every cell, a naive one is caught in many.

So the expectations can be met, and they can be missed.
"""
import os
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from faults import matrix, model  # noqa: E402
from faults.server import Server  # noqa: E402

TIMEOUT = 1.0  # seconds


def report(cell, outcome, kind):
    """What a product that works would print about this answer."""
    error = kind and {"kind": kind, "engine": cell.engine, "message": "said by the model"}
    entry = {"engine": cell.engine, "outcome": outcome, "error": error,
             "coverage": {"state": "complete"}, "attempts": 1,
             "threats": [{"name": matrix.THREAT.decode()}] if outcome == "infected" else []}
    if error and cell.role == "optional":
        outcome, error = "clean", None
    action = {"clean": "allow", "infected": "quarantine"}.get(outcome, "block")
    return {"outcome": outcome, "error": error, "action": action, "engines": [entry]}


def judged(client, cells):
    """Complaints by cell, with the client in the product's place."""
    cells = sorted(cells, key=lambda cell: cell.variant.slow)  # who waits, waits together
    return [entry for start in range(0, len(cells), 100)
            for entry in judged_together(client, cells[start:start + 100])]


def judged_together(client, cells):
    crowd = matrix.Crowd(cells)
    with matrix.Workplace() as work, Server() as server, tempfile.TemporaryFile() as file:
        crowd._prepare(work, server)
        addresses = {engine["name"]: engine["address"][0] for engine in crowd.engines}

        def scan(cell):
            data = matrix.content(cell.file)
            descriptor = None
            if cell.transport.startswith("fildes"):
                descriptor = os.open(work.path / cell.file, os.O_RDONLY)
            try:
                return client(addresses[cell.engine], data, descriptor, TIMEOUT)
            finally:
                if descriptor is not None:
                    os.close(descriptor)
        with ThreadPoolExecutor(16) as pool:
            for cell, (outcome, kind) in zip(cells, pool.map(scan, cells)):
                crowd._judge(cell, {"report": report(cell, outcome, kind), "elapsed_ms": 0})
        crowd._complain(None, *server.failures())
    return crowd.complaints


class Matrix(unittest.TestCase):
    def cells(self):
        return [cell for cell in matrix.cells(False, ["clamd"])
                if cell.attempts == 1 and cell.variant.warm == 0
                and cell.variant.fault != "VERSION fails"]

    def test_careful_client_passes(self):
        complaints = judged(model.careful, self.cells())
        self.assertFalse(complaints, "\n".join(f"{cell}: {text}" for cell, text, _ in complaints))

    def test_naive_client_is_caught(self):
        cells = [cell for cell in self.cells() if cell.content == "infected"]
        false_clean = {cell.variant.fault for cell, text, _ in judged(model.naive, cells)
                       if "FALSE CLEAN" in text}
        for fault in ("refused", "blackholed SYN", "close after k bytes", "RST mid-upload",
                      "RST after upload", "hang", "EOF only", "truncated at every byte",
                      "half-open peer", "garbage", "says ERROR"):
            self.assertIn(fault, false_clean)


if __name__ == "__main__":
    unittest.main()
