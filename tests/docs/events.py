#!/usr/bin/env python3
"""locketd(8) has each event that the journal has a field for, each of these fields, and no others.

usage: tests/docs/events.py SOURCE_FOLDER
"""

import pathlib
import re
import sys


def main(source):
    source = pathlib.Path(source)
    code = (source / "daemon/incidents.cpp").read_text("utf-8")
    written = set(re.findall(r'return \{"[^"]*", "(\w+)"\};|"LOCKET_EVENT", "(\w+)"', code))
    written = {name for pair in written for name in pair if name}
    written |= set(re.findall(r'Field\{"(\w+)"', code))

    page = (source / "docs/man/locketd.8").read_text("utf-8")
    section = re.search(r"^\.Sh DIAGNOSTICS\n(.*?)^\.Sh ", page, re.DOTALL | re.MULTILINE)[1]
    told = set(re.findall(r"\w+", " ".join(re.findall(r"^\.It Li (.*)$", section, re.MULTILINE))))

    print(f"{len(written)} events and fields compared")
    for name in sorted(written - told):
        print(f"locketd(8) does not tell of {name}")
    for name in sorted(told - written):
        print(f"there is no {name}")
    return 1 if written != told else 0


sys.exit(main(*sys.argv[1:]))
