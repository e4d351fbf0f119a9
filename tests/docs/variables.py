#!/usr/bin/env python3
"""Each variable of the environment that a program or the library reads is in the ENVIRONMENT of its manual page.

usage: tests/docs/variables.py SOURCE_FOLDER
"""

import pathlib
import re
import sys

PARTS = {  # the sources that read the variables of each page
    "locketd.8": ["daemon/*.cpp", "proto/socket_path*.cpp"],
    "locketctl.1": ["client/ctl/**/*.cpp", "proto/*.cpp"],
    "liblocket.3": ["client/*.cpp", "proto/socket_path*.cpp"],
}


def variables_read(source, patterns):
    files = [file for pattern in patterns for file in source.glob(pattern)]
    return {name for file in files for name in re.findall(r'variable\("(\w+)"\)', file.read_text("utf-8"))}


def main(source):
    source = pathlib.Path(source)
    count, wrong = 0, 0
    for page, patterns in PARTS.items():
        text = (source / "docs/man" / page).read_text("utf-8")
        section = re.search(r"^\.Sh ENVIRONMENT\n(.*?)^\.Sh ", text, re.DOTALL | re.MULTILINE)[1]
        told = set(" ".join(re.findall(r"^\.(?:It )?Ev (.*)", section, re.MULTILINE)).split())
        for name in sorted(variables_read(source, patterns)):
            count += 1
            if name not in told:
                wrong += 1
                print(f"{page} does not tell of {name}")
    print(f"{count} variables looked for")
    return 1 if wrong or not count else 0


sys.exit(main(*sys.argv[1:]))
