# SPDX-License-Identifier: MIT
"""Show reports (NDJSON of `scanbridge scan --json`) as a table.

    verdicts.py [--samples DIR] FILE

With --samples the files of samples.py must have come out as they should; exit 1 if not.
"""
import json
import os
import sys
import tempfile

import samples

COLOURS = {"clean": "\033[32m", "infected": "\033[31m", "suspicious": "\033[33m",
           "error": "\033[35m"}
MAX_ROWS = 40


def row(report, base):
    path = report["file"].get("path") or report["file"]["name"]
    threats = ", ".join(threat["name"] for threat in report["threats"])
    error = report.get("error")
    why = threats or (f"{error['engine'] or 'scanbridge'}: {error['kind']}" if error else "-")
    return (os.path.relpath(path, base) if base else path, report["outcome"], why,
            report["action"])


def show(rows):
    head = ("file", "outcome", "threat or error", "action")
    shown = rows if len(rows) <= MAX_ROWS else \
        [r for r in rows if r[1] != "clean"][:MAX_ROWS] or rows[:MAX_ROWS]
    widths = [max(map(len, column)) for column in zip(head, *shown)]
    for cells in (head, *shown):
        texts = [cell.ljust(width) for cell, width in zip(cells, widths)]
        if sys.stdout.isatty() and cells[1] in COLOURS:
            texts[1] = f"{COLOURS[cells[1]]}{texts[1]}\033[0m"
        print("  ".join(texts).rstrip())
    if len(shown) < len(rows):
        print(f"… and {len(rows) - len(shown)} more")


def surprises(rows, reports):
    """Samples that came out otherwise than they must."""
    opened = any(engine["type"] == "yara" for report in reports for engine in report["engines"])
    with tempfile.TemporaryDirectory() as folder:
        expected = samples.write_folder(folder, opened)
    got = {name: outcome for name, outcome, _, _ in rows}
    return [f"{name}: expected {outcome}, got {got.get(name, 'no report')}"
            for name, outcome in expected.items() if got.get(name) != outcome]


def main(arguments):
    base = None
    if arguments[0] == "--samples":
        base, arguments = arguments[1], arguments[2:]
    with open(arguments[0], encoding="utf-8") as lines:
        reports = list(map(json.loads, lines))
    rows = sorted(row(report, base) for report in reports)
    show(rows)
    wrong = surprises(rows, reports) if base else []
    for line in wrong:
        print("UNEXPECTED:", line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
