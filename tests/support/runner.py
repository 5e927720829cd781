# SPDX-License-Identifier: MIT
"""Run one file of unittests and write down how many passed, failed and were skipped.

    runner.py FILE RESULT
"""
import importlib.util
import json
import pathlib
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]


def load(path):
    sys.path[:0] = [str(path.parent), str(TESTS)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main(path, result_path):
    suite = load(pathlib.Path(path).resolve())
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A test with several bad subtests counts once; a class that fails to set up counts as well.
    failed = len({getattr(test, "test_case", test).id()
                  for test, _ in result.failures + result.errors})
    failed += len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    count = {"passed": max(result.testsRun - failed - skipped, 0), "failed": failed,
             "skipped": skipped}
    if result.testsRun == 0 and not skipped:
        count["failed"] += 1
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump(count, file)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
