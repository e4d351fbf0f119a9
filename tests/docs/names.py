#!/usr/bin/env python3
"""liblocket(3) has each function of locket.h, as it is declared there, each code and mode, and each
class of locket.hpp, and no other function.

usage: tests/docs/names.py SOURCE_FOLDER
"""

import re
import sys


def words(text):
    return " ".join(re.sub(r"([*(),])", r" \1 ", text).split())


def prototypes_in_header(header):
    """Of each function, its type and its arguments."""
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    found = re.findall(r"^LOCKET_API ([^;]*?)(locket_\w+)\((.*?)\);", code, re.DOTALL | re.MULTILINE)
    return {name: (words(type_), words(arguments)) for type_, name, arguments in found}


def prototypes_in_page(page):
    found = {}
    for type_, name, arguments in re.findall(r'^\.Ft (.*)\n\.Fn (\w+) ?(.*)$', page, re.MULTILINE):
        listed = re.findall(r'"([^"]*)"', arguments) or [arguments]
        found[name] = (words(type_), words(", ".join(listed)))
    return found


def main(source):
    def read(path):
        with open(f"{source}/{path}", encoding="utf-8") as file:
            return file.read()

    page = read("docs/man/liblocket.3")
    header = read("client/include/locket/locket.h")
    cpp = read("client/include/locket/locket.hpp")
    ours, theirs = prototypes_in_page(page), prototypes_in_header(header)
    wrong = [f"it lacks {name}" for name in theirs.keys() - ours.keys()]
    wrong += [f"there is no {name}" for name in ours.keys() - theirs.keys()]
    for name in theirs.keys() & ours.keys():
        if ours[name] != theirs[name]:
            wrong.append(f"{name} is {theirs[name]}, not {ours[name]}")
        if not re.search(rf"^\.Nm {name}( ,)?$", page, re.MULTILINE):
            wrong.append(f"NAME lacks {name}")
    wrong += [f"it lacks {name}" for name in re.findall(r"^  (LOCKET_\w+) = ", header, re.MULTILINE)
              if f"Dv {name}" not in page]

    names = set(re.findall(r"^class (\w+)", cpp, re.MULTILINE))
    for name in sorted(names):
        if not re.search(rf"^\.Vt (class )?(locket::)?{name}\b", page, re.MULTILINE):
            wrong.append(f"it lacks the class {name}")

    print(f"{len(theirs)} functions and {len(names)} classes compared")
    for text in wrong:
        print(f"liblocket(3): {text}")
    return 1 if wrong or not theirs or not names else 0


sys.exit(main(*sys.argv[1:]))
