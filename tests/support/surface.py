# SPDX-License-Identifier: MIT
"""What the program offers, as it says itself: keys of the configuration from its manual, options
and their words from its completion. For tests that must notice when something is added."""
import re
import subprocess

from support.harness import SCANBRIDGE

# Headings of the manual whose keys stand below another map.
PARENTS = {"retry": "engines", "breaker": "engines", "ignore": "decision", "rules": "policy",
           "when": "rules", "container": "when", "time": "when", "then": "rules"}
TYPE = "Engines of type "


def _told(*arguments):
    return subprocess.run([SCANBRIDGE, *arguments], capture_output=True, text=True,
                          check=True).stdout


def config_keys():
    """`data_dir`, `limits.max_size`, `engines.retry.attempts`, `mock.latency`, `when.outcome`, …:
    the map's name and the key's; a map in engines has its parent's before it."""
    keys, section = [], None
    for line in _told("manual", "scanbridge.yaml.5").replace("\\", "").splitlines():
        if heading := re.match(r"#+ (.*)", line):
            section = heading[1]
            if section == "TOP LEVEL":
                section = ""
        elif (key := re.match(r"\*([a-z_]+)\*(?: \(|$)", line)) and section is not None:
            name = section.removeprefix(TYPE)
            if PARENTS.get(name) == "engines":
                name = f"engines.{name}"
            keys.append(f"{name}.{key[1]}".lstrip("."))
    return keys


def _cases(after, until):
    text = _told("completion", "bash")
    text = text[text.index(after):]
    return text[:text.index(until)]


def options():
    """`--config`, `scan --jobs`, `quarantine get --output`, …: global ones without a command."""
    lines = re.findall(r"^\t('[a-z ]*')\) (.*?) ;;$", _cases("\t'') words=", "\tesac"), re.M)
    found = {command.strip("'"): re.search(r"options='(.*?)'", line)[1].split()
             for command, line in lines}
    everywhere = found.pop("")
    return sorted({f"{command} {option}" for command, listed in found.items()
                   for option in listed if option not in everywhere} | set(everywhere))


def commands():
    """`scan`, `audit verify`, …"""
    return sorted(re.findall(r"^\t'([a-z]+(?: [a-z]+)?)'\) options", _told("completion", "bash"),
                             re.M))


def words_of(option):
    """What an option takes, where that is a closed list: `audit show --event`."""
    return re.search(rf"'{option}'\S*\) words='(.*?)'", _told("completion", "bash"))[1].split()
