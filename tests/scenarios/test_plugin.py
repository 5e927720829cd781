# SPDX-License-Identifier: MIT
"""Engines in shared objects: they judge like any other, their settings are checked by their own
table, and a file that others could have written is not loaded."""
import os
import re
import shutil
import subprocess
import unittest

from support import driver, harness, plugins
from support.harness import CLEAN, INFECTED, NOBODY, ROOT, SCANBRIDGE, needs

ANYBODY = 0o777
WHY_NOT = plugins.unusable()
NEEDLE = INFECTED[28:62].decode()  # what EICAR's file holds
EXAMPLE = ROOT / "examples/custom-engine"
ROOT_ONLY = needs(os.geteuid() == 0, "only root can give files away")
SANITIZED = SCANBRIDGE.exists() and b"__asan_init" in SCANBRIDGE.read_bytes()


@needs(WHY_NOT is None, WHY_NOT)
class PluginCase(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.built = plugins.folder(cls.addClassCleanup)
        cls.guest = plugins.compiled(cls.built)
        cls.word = plugins.compiled(cls.built, source=EXAMPLE / "word.c", name="word.so")

    def use(self, path=None, **settings):
        self.configure(plugins.plugin(path or self.guest, **settings),
                       decision={"min_assurance": "rules"})

    def refused(self, *words, **settings):
        """Nothing is scanned, and the message says why."""
        if settings:
            self.use(**settings)
        self.write("file")
        result = self.scan("file", status=2)
        for word in words:
            self.assertIn(word, result.errors)
        self.assertEqual(result.out, b"")
        return result.errors


class Judging(PluginCase):
    both = ("process", "none")

    def judged(self, **settings):
        self.use(**settings)
        self.write("eicar.com", INFECTED)
        self.write("letter")
        self.write("empty", b"")
        self.write("large", b"x" * (1 << 20) + INFECTED)
        return self.scan("eicar.com", "letter", "empty", "large", status=1).by_name()

    def test_eicar_and_benign(self):
        for where in self.both:
            with self.subTest(where):
                reports = self.judged(path=self.word, settings={"word": NEEDLE}, isolation=where,
                                      name=f"in-{where}")
                self.assertEqual({name: r["outcome"] for name, r in reports.items()},
                                 {"eicar.com": "infected", "letter": "clean", "empty": "clean",
                                  "large": "infected"})
                self.assertEqual(reports["eicar.com"]["threats"][0]["name"], "Word.Forbidden")
                entry = reports["letter"]["engines"][0]
                self.assertEqual((entry["type"], entry["assurance"], entry["coverage"]),
                                 ("plugin", "rules", {"state": "complete", "bytes": len(CLEAN),
                                                      "content": "unknown"}))

    def test_known_answers(self):
        """`engines --check` puts EICAR to it, and believes only what it sees."""
        for where in self.both:
            for word, status in ((NEEDLE, 0), ("nothing like it", 1)):
                self.use(self.word, settings={"word": word}, isolation=where, self_test="eicar")
                result = self.run_program("engines", "--check")
                self.assertEqual(result.status, status, str(result))
                self.assertIn("mine", result.text)

    def test_the_class_of_its_descriptor(self):
        doctor = plugins.compiled(self.built, "-DANTIVIRUS", name="antivirus.so")
        self.write("file")
        for where in self.both:
            self.configure(plugins.plugin(doctor, isolation=where))
            self.assertEqual(self.scan("file").report["action"], "allow")
            self.configure(plugins.plugin(self.guest, isolation=where))
            self.assertEqual(self.scan("file").report["action"], "allow_with_warning")

    def test_its_limit(self):
        self.write("large", bytes((8 << 20) + 1))
        for where in self.both:
            self.use(isolation=where)
            self.assert_outcome(self.scan("large").report, "error", kind="file_too_large")

    def test_a_call_offers_the_same_everywhere(self):
        self.write("all", b"do: all\n" + b"x" * 100)
        self.write("abstain", b"do: abstain\n")
        self.write("text", b"do: text\n")  # of 32 MiB each
        for where in self.both:
            self.use(isolation=where)
            threat, = self.scan("text").report["threats"]
            self.assertEqual((len(threat["category"]), threat["name"][:8]), (1024, "Unnamed."))
            report = self.scan("all", status=0).report
            entry = report["engines"][0]
            self.assertEqual((report["outcome"], entry["engine_version"],
                              entry["signature_version"]), ("clean", "guest 1", "list 7"), report)
            self.assertEqual((report["container"]["type"], report["container"]["members"]),
                             ("box", 2))
            entry = self.scan("abstain").report["engines"][0]
            self.assertTrue(entry["abstained"], entry)
            self.assertEqual(entry["error"]["kind"], "unsupported")

    @needs(not SANITIZED, "the sanitizers' own code may open files")
    def test_no_file_and_no_network_once_there_is_content(self):
        self.use()
        self.write("files", b"do: files\n")
        self.write("socket", b"do: socket\n")
        self.assert_outcome(self.scan("files").report, "clean")
        report = self.scan("socket").report
        self.assert_outcome(report, "error", kind="engine_crashed")
        self.assertIn("SIGSYS", report["error"]["message"])

    def test_a_list_is_read_while_it_is_opened(self):
        own = plugins.folder(self.addCleanup)
        (own / "list").write_text("x")
        self.use(settings={"list": str(own / "list")})
        self.write("file")
        self.assert_outcome(self.scan("file", status=0).report, "clean")
        self.refused("can't be read", settings={"list": str(own / "missing")})

    def test_recycle(self):
        """What a plugin keeps in its process is forgotten with it."""
        for number in range(3):
            self.write(f"in/{number}", b"do: count\n%d" % number)
        for recycle, wanted in ((1, [1, 1, 1]), (2, [1, 1, 2]), (0, [1, 2, 3])):
            self.use(recycle=recycle, workers=1, concurrency=1)
            names = [r["threats"][0]["name"] for r in self.scan("--jobs", "1", "in").reports]
            self.assertEqual(sorted(names), [f"Guest.Count.{n}" for n in wanted])

    def test_what_it_says_is_remembered_by_its_file(self):
        own = plugins.folder(self.addCleanup)
        path = own / "guest.so"
        shutil.copy(self.guest, path)
        self.use(path)
        self.write("file")
        first = [self.scan("file").report for _ in range(2)]
        self.assertEqual([r["cached"] for r in first], [False, True])
        plugins.compiled(own, '-DNAME="Guest.Other"')
        again = self.scan("file").report
        self.assertFalse(again["cached"])
        self.assertNotEqual(again["engines"][0]["engine_version"],
                            first[0]["engines"][0]["engine_version"])
        self.use(path, settings={"needle": "pin"})
        self.assertFalse(self.scan("file").report["cached"])

    def test_a_replaced_file_after_reload(self):
        own = plugins.folder(self.addCleanup)
        path = own / "guest.so"
        bad = self.write("bad", b"a needle")
        for where in self.both:
            shutil.copy(self.guest, path)
            self.configure(plugins.plugin(path, isolation=where), cache={"enabled": False})
            program = driver.Driver(self.config, self.folder)
            program.open()

            def name(program=program):
                return program.scan(f"path {bad}")["threats"][0]["name"]
            self.assertEqual(name(), "Guest.Needle")
            os.unlink(path)
            plugins.compiled(own, '-DNAME="Guest.Other"')
            self.assertEqual(name(), "Guest.Needle")
            self.assertEqual(program.ask("reload mine"), {"reloaded": True})
            self.assertEqual(name(), "Guest.Other")
            path.write_text("no plugin")
            answer = program.ask("reload mine")
            self.assertEqual(answer["failed"], "not_configured")
            self.assertIn("no ELF file", answer["message"])
            self.assertEqual(name(), "Guest.Other")
            self.assertIsNone(program.end())


class Settings(PluginCase):
    def test_they_arrive(self):
        message = self.refused("number 8, size 2048, mood 1", "guest.so",
                               settings={"open": "refuse", "number": 8, "size": "2KiB",
                                         "mood": "wild"})
        self.assertIn("mine", message)
        self.refused("number 7, size 1024, mood 0", settings={"open": "refuse"})

    def test_mistakes_are_told_with_their_place(self):
        for settings, wanted in (
                ("numbre: 3", 'settings: unknown key "numbre"; did you mean "number"?'),
                ("number: 10", 'settings.number: "10" is out of range; 1 to 9 is possible'),
                ("mood: odd", 'settings.mood: "odd" is unknown; possible: calm, wild'),
                ("needle: [a, b]", "settings.needle: a text expected")):
            for where in ("process", "none"):
                self.config.write_text(
                    f"data_dir: {self.data}\nengines:\n  - name: mine\n    type: plugin\n"
                    f"    isolation: {where}\n    path: {self.guest}\n    settings:\n"
                    f"      {settings}\n")
                message = self.refused(wanted)
                column = 7 if "unknown key" in wanted else 7 + settings.index(": ") + 2
                self.assertIn(f"{self.config}:8:{column}: settings", message)

    def test_the_map_itself_is_checked_without_the_plugin(self):
        self.config.write_text("engines: [{name: a, type: plugin, path: /x.so, settings: [1]}]")
        result = self.run_program("config", "check")
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("engines.settings: a map of keys expected", result.errors + result.text)
        self.config.write_text("engines: [{name: a, type: plugin}]")
        result = self.run_program("config", "check")
        self.assertIn('"path" is missing', result.errors + result.text)

    def test_one_that_is_needed(self):
        for settings in ({}, {"settings": {}}):
            for where in ("process", "none"):
                self.refused('"word" is missing: what a file must not hold', path=self.word,
                             isolation=where, **settings)

    def test_they_are_not_shown(self):
        self.use(settings={"needle": "secret-thing"})
        shown = self.run_program("config", "show")
        self.assertEqual(shown.status, 0)
        self.assertNotIn("secret-thing", shown.text)
        self.assertIn("settings: [***]", shown.text)

    def test_paths_start_at_the_configuration(self):
        self.refused(f"the list {self.folder}/lists/a can't be read", settings={"list": "lists/a"})


class Refused(PluginCase):
    """Whoever could write the file could run code as us."""

    def setUp(self):
        super().setUp()
        self.own = plugins.folder(self.addCleanup)
        self.below = self.own / "a" / "b"
        self.below.mkdir(parents=True)
        self.path = self.below / "guest.so"
        shutil.copy(self.guest, self.path)
        self.path.chmod(0o755)
        self.use(self.path)

    def test_as_it_is_it_is_loaded(self):
        self.write("file")
        self.assert_outcome(self.scan("file", status=0).report, "clean")

    def test_modes(self):
        for what, mode, who in ((self.path, 0o775, "its group"), (self.path, 0o757, "everybody"),
                                (self.below, 0o775, "its group"), (self.below, 0o757, "everybody"),
                                (self.own / "a", 0o770, "its group"),
                                (self.own, 0o777, "everybody")):
            with self.subTest(f"{what} {mode:o}"):
                before = what.stat().st_mode
                what.chmod(mode)
                self.refused(f" {what}, which belongs to", f"written by {who}, mode {mode:04o}",
                             "chmod go-w", "folder" if what.is_dir() else "the file")
                what.chmod(before & 0o7777)
        self.test_as_it_is_it_is_loaded()

    def test_a_sticky_folder_is_no_exception(self):
        self.below.chmod(0o1777)
        self.assertNotIn("chmod", self.refused("everybody", "mode 1777", "put the plugin elsewhere"))
        plain = self.write("guest.so", self.guest.read_bytes())  # below /tmp
        if not plugins.trusted(self.folder):
            self.refused("put the plugin elsewhere", path=plain)

    @ROOT_ONLY
    def test_foreign_owners(self):
        for what in (self.path, self.below, self.own / "a"):
            with self.subTest(what):
                os.chown(what, NOBODY, -1)
                self.refused(f" {what} belongs to nobody (uid {NOBODY})", "chown it",
                             "must belong to root or to root (uid 0)")
                os.chown(what, 0, -1)
        self.test_as_it_is_it_is_loaded()

    def test_links_are_followed_with_open_eyes(self):
        """Along the way that they really lead."""
        link, folder = self.own / "link.so", self.own / "folder"
        folder.symlink_to(self.below)
        link.symlink_to("folder/../b/.//guest.so")  # `folder/..` is not `own`
        self.use(link)
        self.test_as_it_is_it_is_loaded()
        self.below.chmod(ANYBODY)
        self.refused(f"the folder {self.below}", "everybody")
        self.below.chmod(0o755)
        (self.own / "round").symlink_to("round")
        self.refused("Too many levels", path=self.own / "round")
        open_to_all = self.own / "open"
        open_to_all.mkdir()
        open_to_all.chmod(0o1777)
        (open_to_all / "in.so").symlink_to(self.path)
        self.refused(f"the folder {open_to_all}", path=open_to_all / "in.so")

    @ROOT_ONLY
    def test_a_link_of_somebody_else(self):
        link = self.own / "link.so"
        link.symlink_to(self.path)
        os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
        self.refused(f"the link {link} belongs to nobody", path=link)

    def test_what_is_no_file(self):
        for path, words in ((self.below, "open"), (self.own / "missing.so", "No such file"),
                            (f"{self.path}/more", "Not a directory"),
                            (f"{self.own}/{'x' * 256}", "too long"), ("/dev/null", "no regular")):
            with self.subTest(path):
                self.refused(words, str(path)[:100], path=path)
        fifo = self.own / "fifo.so"
        os.mkfifo(fifo)
        self.refused("no regular file", path=fifo)

    def test_what_is_no_plugin(self):
        own = plugins.folder(self.addCleanup)
        elf = self.guest.read_bytes()
        other = bytearray(elf)
        other[18:20] = (183 if elf[18] != 183 else 62).to_bytes(2, "little")
        narrow = bytearray(elf)
        narrow[4] = 3 - narrow[4]
        program = bytearray(elf)
        program[16:18] = (1).to_bytes(2, "little")
        for name, data, words in (
                ("text", b"#!/bin/sh\n" * 10, ["no ELF file"]), ("empty", b"", ["no ELF file"]),
                ("short", elf[:19], ["no ELF file"]),
                ("other", other, ["another architecture", "AArch64" if elf[18] != 183 else "x86"]),
                ("narrow", narrow, ["another architecture", "bits"]),
                ("object", program, ["no shared object", "-shared"]),
                ("cut", elf[:4096], ["plugin"])):
            with self.subTest(name):
                (own / f"{name}.so").write_bytes(data)
                self.refused(f"{own}/{name}.so", *words, path=own / f"{name}.so")

    def test_what_can_not_be_loaded(self):
        have = re.search(r"define SB_ENGINE_ABI (\d+)u", (
            ROOT / "include/scanbridge/sys/engine.h").read_text())[1]
        for flag, words in (
                ("-DOTHER_ABI=3", ["engine ABI 3 (Scanbridge 0.0.9)", f"has engine ABI {have}",
                                   "build it anew"]),
                ("-DNO_ENTRY", ["sb_plugin_entry", "SB_PLUGIN_EXPORT"]),
                ("-DSCANLESS", ["no scan()"]), ("-DUNDEFINED", ["sb_no_such_function"]),
                ("-DASTRAY", ["setting astray"])):
            path = plugins.compiled(self.own, flag, name=f"{flag[2:8]}.so")
            for where in ("process", "none"):
                with self.subTest(flag + where):
                    self.refused(str(path), *words, path=path, isolation=where)

    def test_where_its_libraries_come_from(self):
        """From the system's folders, and from nowhere that nobody has looked at; whatever the
        environment of the program says."""
        source = self.own / "other.c"
        source.write_text("int other(void) { return 1; }\n")
        other = plugins.compiled(self.own, source=source, name="libother.so")
        for flags, words in (
                (["-Wl,-rpath,/opt/x"], ["run path, /opt/x,", "-rpath", "ldconfig"]),
                (["-Wl,-rpath,/opt/x", "-Wl,--disable-new-dtags"], ["run path, /opt/x,"]),
                (["-Wl,-rpath,$ORIGIN"], ["run path, $ORIGIN,"]),
                (["-Wl,--no-as-needed", str(other)], [f"by its path the library {other},"])):
            path = plugins.compiled(self.own, *flags, name="elsewhere.so")
            for where in ("process", "none"):
                with self.subTest(f"{flags} {where}"):
                    self.refused(str(path), *words, path=path, isolation=where)
        system = plugins.compiled(self.own, "-Wl,--no-as-needed", "-lm", name="system.so")
        by_name = plugins.compiled(self.own, "-Wl,--no-as-needed", f"-L{self.own}", "-lother",
                                   name="named.so")
        self.use(system)
        self.test_as_it_is_it_is_loaded()
        self.assertIn("libother.so", self.refused(
            "cannot open shared object file", path=by_name))

    def test_an_optional_one_is_out_of_service(self):
        self.path.chmod(ANYBODY)
        self.configure(plugins.plugin(self.path, role="optional"), harness.mock())
        self.write("file")
        report = self.scan("file", status=0).report
        self.assertEqual(report["engines"][0]["error"]["kind"], "not_configured")


class Author(PluginCase):
    """Out of the tree, as somebody would who has only what is installed."""

    def setUp(self):
        super().setUp()
        self.own = plugins.folder(self.addCleanup)
        (self.own / "scanbridge.pc").write_text(
            f"Name: scanbridge\nDescription: x\nVersion: 1\nCflags: -I{ROOT}/include\n")
        self.programs = self.write("bin/scanbridge", b"").parent
        (self.programs / "scanbridge").unlink()
        (self.programs / "scanbridge").symlink_to(SCANBRIDGE)

    def shell(self, line):
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.run(["sh", "-c", line], cwd=self.own, text=True, capture_output=True,
                              env=self.environment() | {"PKG_CONFIG_PATH": str(self.own),
                                                        "PATH": path}, timeout=harness.PATIENCE)

    def test_the_example(self):
        for path in EXAMPLE.iterdir():
            shutil.copy(path, self.own)
        done = self.shell("make check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("word.so does what it should", done.stdout)
        self.assertLess(len((EXAMPLE / "word.c").read_text().splitlines()), 100)

    def test_the_guide(self):
        """Its files are written, its commands are run, and they say what it says."""
        text = (ROOT / "docs/writing-an-engine.md").read_text()
        files, ran = {"c": "teapot.c", "yaml": "scanbridge.yaml"}, 0
        for kind, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S):
            if kind in files:
                (self.own / files[kind]).write_text(block)
            for command, wanted in re.findall(r"^\$ (.*)\n((?:(?!\$).*\n)*)", block, re.M):
                done = self.shell(command.replace("cc ", "cc -Wall -Wextra -Werror ", 1))
                said = done.stdout + done.stderr
                self.assertIn(done.returncode, (0, 1) if wanted else (0,), command + said)
                for line in wanted.splitlines():
                    self.assertIn(line, said)
                ran += 1
        self.assertEqual(ran, 7)


if __name__ == "__main__":
    unittest.main()
