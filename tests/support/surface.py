# SPDX-License-Identifier: MIT
"""What the program offers, as it says itself: keys of the configuration from its manual, options
and their words from its completion. For tests that must notice when something is added."""
import re
import subprocess

from support.harness import ROOT, SCANBRIDGE

# Headings of the manual whose keys stand below another map.
PARENTS = {"retry": "engines", "breaker": "engines", "quota": "engines", "spawn": "clamd",
           "ignore": "decision", "rules": "policy",
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
            if PARENTS.get(name) in ("engines", "clamd"):
                name = f"{PARENTS[name]}.{name}"
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


# --- Headers -------------------------------------------------------------------------------
def _without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def header_code():
    """All public headers without comments and preprocessor lines."""
    text = "\n".join(_without_comments(path.read_text())
                     for path in sorted((ROOT / "include").rglob("*.h")))
    return re.sub(r"^#.*(?:\\\n.*)*$", "", text, flags=re.M)


def declarations():
    """Name -> text of every function and object that is exported."""
    found = re.findall(r"\bSB_API\b([^;{]*)", header_code())
    return {re.search(r"\b(sb_\w+)\s*(?:\(|$|\[)", text.strip())[1]: text for text in found}


def signature_types():
    """Every name of ours in declarations and in the members of public structures that is no
    function: all that a caller may have to write down."""
    structures = re.findall(r"\b(?:struct|union) sb_\w+ \{(.*?)\n\}", header_code(), re.S)
    texts = [*declarations().values(), *structures]
    return {name for text in texts for name in re.findall(r"\bsb_\w+", text)} - set(declarations())
