#!/usr/bin/env python3
"""Check that the table of constants in docs/attribution.md has every length of time that trace/ counts on, and no other.

usage: tests/structure/check_constants.py [--self-test]

A row is: value in backticks (`1500ms`, `2s`, `1min`, `1h`), the files of trace/ that have it, what for, and what it rests on. Numbers that are no
times stand there too, by name. --self-test makes sure that the check finds what it must find.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADING = "## Constants"
UNITS = {"milliseconds": "ms", "seconds": "s", "minutes": "min", "hours": "h"}


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def rows_of(page):
    """{(file, value): whether the row says why and on what}"""
    part = page.partition(HEADING + "\n")[2].partition("\n## ")[0]
    found = {}
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `") or len(cells) != 4:
            continue
        value = re.match(r"`([^`]+)`", cells[0]).group(1)
        for file in re.findall(r"`([^`]+)`", cells[1]):
            found[file, value] = bool(cells[2] and cells[3])
    return found


def constants_of(files):
    return {(file, number + UNITS[unit]) for file, text in files.items()
            for unit, number in re.findall(r"std::chrono::(milliseconds|seconds|minutes|hours)\{(\d+)\}", text)}


def problems_of(page, files):
    """`files`: {name: text} of trace/."""
    rows, known = rows_of(page), constants_of(files)
    times = {each for each in rows if re.fullmatch(r"\d+(ms|s|min|h)", each[1])}
    found = [f"trace/{file} counts on {value}, which the table does not say" for file, value in sorted(known - set(rows))]
    found += [f"trace/{file} has no {value}" for file, value in sorted(times - known)]
    found += [f"trace/{file} has no {value}" for file, value in sorted(set(rows) - times) if value.partition(" = ")[0] not in files.get(file, "")]
    return found + [f"{value} in {file}: what for, and what does it rest on?" for (file, value), said in sorted(rows.items()) if not said]


def check():
    files = {os.path.basename(path): read(path) for path in glob.glob(os.path.join(ROOT, "trace", "*.[ch]pp"))}
    return problems_of(read(os.path.join(ROOT, "docs", "attribution.md")), files)


def self_test():
    good = HEADING + "\n| `2s` | `a.cpp` | why | rests |\n| `kept = 32` | `a.cpp` | why | rests |\n"
    files = {"a.cpp": "std::chrono::seconds{2}; int kept = 32;"}
    assert not problems_of(good, files), problems_of(good, files)
    for page, text, what in ((good, {"a.cpp": files["a.cpp"] + "std::chrono::hours{1}"}, "counts on 1h"), (good, {"a.cpp": "kept"}, "has no 2s"),
                             (good, {"a.cpp": "std::chrono::seconds{2}"}, "has no kept"), (good.replace("rests", "", 1), files, "what for"),
                             (HEADING, files, "counts on 2s")):
        assert any(what in problem for problem in problems_of(page, text)), what


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    problems = check()
    for problem in problems:
        print(f"docs/attribution.md: {problem}")
    sys.exit(1 if problems else 0)


main()
