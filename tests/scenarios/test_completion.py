# SPDX-License-Identifier: MIT
"""Completion in real shells: a line is typed with tabs in it, and what the shell then runs is
looked at."""
import shutil
import subprocess
import unittest

from support import harness
from support.harness import SCANBRIDGE
from support.terminal import Terminal

# What is typed, and the words that the command gets. Each tab has one answer.
TYPED = [
    ("sca\tlett\t", "scan letter.txt", "a command, then a file"),
    ("conf\tche\t", "config check", "both words of a command"),
    ("audit ver\t", "audit verify", "the second word alone"),
    ("scan --jso\t", "scan --json", "an option of the command"),
    ("scan --json --dry\t", "scan --json --dry-run", "an option behind another"),
    ("scan --log-le\tdeb\t", "scan --log-level debug", "a global option behind the command"),
    ("--log-level warn engi\t--che\t", "--log-level warn engines --check",
     "a global option with a value before the command"),
    ("scan --policy str\t", "scan --policy strict", "a preset"),
    ("scan --policy lett\t", "scan --policy letter.txt", "or a file"),
    ("scan -p moni\t", "scan -p monitor", "behind the short option"),
    ("scan --log-level=err\t", "scan --log-level=error", "joined by an equals sign"),
    ("--data-dir fold\t", "--data-dir folder/", "folders only"),
    ("watch --settle 1s fold\t", "watch --settle 1s folder/", "a command that takes folders only"),
    ("watch --sou\tx ", "watch --source x", "an option of such a command"),
    ("audit show --event policy_d\t", "audit show --event policy_decision", "an event"),
    ("completion fi\t", "completion fish", "a word of the command's own"),
    ("hash 'a na\t", "hash a name with blanks", "a file with blanks in its name"),
]


def plain(words):
    """zsh joins a long option to its value, and takes a folder's slash away again."""
    return words.rstrip(" /").replace("=", " ")


def script(shell):
    return subprocess.run([SCANBRIDGE, "completion", shell], capture_output=True, text=True,
                          check=True).stdout


class Completion(harness.Case):
    def setUp(self):
        super().setUp()
        self.write("letter.txt")
        self.write("a name with blanks")
        self.write("folder/inside")
        self.write("folded")  # no folder

    def try_in(self, shell, *command, setup):
        (self.folder / "completion").write_text(script(shell))
        # The stand-in tells what it was given; the marks can't be in what is typed.
        (self.folder / "setup").write_text(
            f"{setup}\nscanbridge() {{ printf '<%s:%s>\\n' got \"$*\"; }}\n"
            "printf '<%s>\\n' ready\n")
        terminal = Terminal(command, self.folder, PS1="> ", INPUTRC="/dev/null",
                            HOME=str(self.folder), HISTFILE="/dev/null")
        self.addCleanup(terminal.close)
        terminal.type(". ./setup\r")
        terminal.wait_for("<ready>")
        for typed, expected, why in TYPED:
            with self.subTest(f"{shell}: {why}"):
                terminal.type(f"scanbridge {typed}\r")
                got = terminal.wait_for(r"<got:([^>]*)>").group(1)
                self.assertEqual(plain(got), plain(expected))

    @harness.needs(shutil.which("bash"), "no bash here")
    def test_bash(self):
        self.try_in("bash", "bash", "--norc", "--noprofile", "-i", setup=". ./completion")

    @harness.needs(shutil.which("zsh"), "no zsh here")
    def test_zsh(self):
        self.try_in("zsh", "zsh", "-f", "-i",
                    setup="autoload -Uz compinit; compinit -D -u; . ./completion")

    @harness.needs(shutil.which("bash"), "no bash here")
    def test_bash_answers(self):
        """What a tab would list."""
        (self.folder / "completion").write_text(script("bash"))
        for line, wanted, unwanted in (
                ("scanbridge ", {"scan", "engines", "audit", "config"}, {"manual", "verify"}),
                ("scanbridge audit ", {"verify", "show"}, {"scan"}),
                ("scanbridge scan --n", {"--no-cache", "--name", "--null"}, {"--json"}),
                ("scanbridge scan --", {"--help", "--config"}, {"--check", "--key"}),
                ("scanbridge --log-format ", {"text", "json"}, {"scan"}),
                ("scanbridge scan --jobs ", set(), {"letter.txt", "scan"})):
            with self.subTest(line):
                words = line.split() + ([""] if line.endswith(" ") else [])
                quoted = " ".join(f"'{word}'" for word in words)
                got = subprocess.run(
                    ["bash", "-c", f". ./completion; COMP_WORDS=({quoted}); "
                     f"COMP_CWORD={len(words) - 1}; _scanbridge; printf '%s\\n' "
                     '"${COMPREPLY[@]}"'], cwd=self.folder, capture_output=True, text=True,
                    check=True).stdout.split()
                self.assertLessEqual(wanted, set(got))
                self.assertFalse(unwanted & set(got), got)

    @harness.needs(shutil.which("fish"), "no fish here")
    def test_fish(self):
        (self.folder / "completion").write_text(script("fish"))
        for typed, expected, why in TYPED:
            line = "scanbridge"
            for part in typed.split("\t")[:-1]:
                line += part if line.endswith("=") else " " + part.strip()
                with self.subTest(f"{why}: {line}"):
                    got = subprocess.run(
                        ["fish", "--no-config", "-c", ". ./completion; complete -C $argv[1]",
                         line], cwd=self.folder, capture_output=True, text=True,
                        env=self.environment(), check=True).stdout.splitlines()
                    answers = {answer.split("\t")[0] for answer in got}
                    self.assertEqual(len(answers), 1, got)
                    last = line.rsplit(" ", 1)[1] if "'" not in line else line.split("'")[1]
                    line = line[:-len(last)] + answers.pop()

    def test_no_such_shell(self):
        for word, hint in (("zhs", "did you mean 'zsh'"), ("powershell", "bash, zsh, fish")):
            result = self.run_program("completion", word)
            self.assertEqual((result.status, result.text), (2, ""))
            self.assertIn(hint, result.errors)


if __name__ == "__main__":
    unittest.main()
