#!/usr/bin/env python3
"""A program's manual page has the options that its --help has, for each of its commands, with their
defaults, and no others.

usage: tests/docs/options.py PROGRAM PAGE
"""

import os
import re
import subprocess
import sys


def help_of(program, *command):
    environment = {"PATH": os.environ["PATH"]}  # so that defaults are those of a machine's daemon
    return subprocess.run(
        [program, *command, "--help"], env=environment, check=True, capture_output=True, text=True
    ).stdout


def commands_in(text):
    section = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  (\w+)", section[1], re.MULTILINE) if section else []


def options_in_help(text):
    """Of each option (all of its names), its default, or none."""
    options = {}
    for line in re.findall(r"^  (-.*)$", text, re.MULTILINE):
        names, _, rest = line.partition(" ")
        default = re.match(r"\S+?=(\S+)", rest)
        options[frozenset(names.split(","))] = default[1] if default else None
    return options


def options_in_page(page):
    """Of each command ("": none), its options: of each (all of its names), what is said of it."""
    found = {"": {}}
    command, said = "", None
    in_commands = False
    for line in page.splitlines():
        if line.startswith(".Sh "):
            in_commands = line == ".Sh COMMANDS"
            command, said = "", None
        elif line.startswith(".Ss ") and in_commands:
            command, said = line[4:], None
            found[command] = {}
        elif line.startswith(".It Fl "):
            names = frozenset("-" + name for name in re.findall(r"\bFl (\S+)", line))
            said = found[command].setdefault(names, [])
        elif line.startswith((".It ", ".El")):
            said = None
        if said is not None:
            said.append(line)
    return {
        command: {names: "\n".join(said) for names, said in options.items()}
        for command, options in found.items()
    }


def main(program, page_path):
    with open(page_path, encoding="utf-8") as file:
        in_page = options_in_page(file.read())
    general = help_of(program)
    in_help = {"": options_in_help(general)}
    for command in commands_in(general):
        in_help[command] = options_in_help(help_of(program, command))

    wrong = [f"the page tells of no command {name}" for name in in_help.keys() - in_page.keys()]
    wrong += [f"the page has a command {name}" for name in in_page.keys() - in_help.keys()]
    for command in sorted(in_help.keys() & in_page.keys()):
        there, here = in_help[command], in_page[command]
        where = f" of {command}" if command else ""
        wrong += [f"the page lacks {','.join(sorted(o))}{where}" for o in there.keys() - here.keys()]
        wrong += [f"there is no {','.join(sorted(o))}{where}" for o in here.keys() - there.keys()]
        for option in there.keys() & here.keys():
            default = there[option]
            if default and not re.search(rf"\b{re.escape(default.strip('/'))}\b", here[option]):
                wrong.append(f"the page hides the default of {','.join(sorted(option))}: {default}")

    count = sum(len(options) for options in in_help.values())
    print(f"{count} options of {len(in_help) - 1} commands compared")
    for text in wrong:
        print(f"{page_path}: {text}")
    return 1 if wrong or count == 0 else 0


sys.exit(main(*sys.argv[1:]))
