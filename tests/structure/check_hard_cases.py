#!/usr/bin/env python3
"""Check that the table of hard cases in docs/attribution.md names rules, tests and recordings that exist.

usage: tests/structure/check_hard_cases.py [--self-test]

Each row must name a `file.cpp:function` of trace/, a test `suite.name`, and a folder of tests/recordings (or say "none" and why); each recording of
tests/recordings/hard must stand in a row. --self-test makes sure that the check finds what it must find.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADING = "## The hard cases"


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def rows_of(page):
    """[(case, rules, tests, recordings)] of the table below the heading; what is in backticks, and the text of the last cell."""
    part = page.partition(HEADING + "\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")]
    named = re.compile(r"`([^`]+)`")
    return [(cell[0], named.findall(cell[1]), named.findall(cell[2]), named.findall(cell[3]), cell[3])
            for cell in cells if len(cell) == 4 and cell[0] != "case" and not cell[0].startswith("---")]


def tests_of(texts):
    return {f"{suite}.{name}" for text in texts for suite, name in re.findall(r"TEST(?:_P|_F)?\(\s*(\w+),\s*(\w+)\)", text)}


def problems_of(page, rules, tests, recordings):
    """`rules`: {file: text}; `recordings`: names, those of hard/ with that folder."""
    rows, found, shown = rows_of(page), [], set()
    if len(rows) < 30:
        found.append(f"the table has {len(rows)} rows; it names every hard case")
    for case, named_rules, named_tests, named_recordings, said in rows:
        if not named_rules or not named_tests or not (named_recordings or said.startswith("none: ")):
            found.append(f"{case}: needs a rule, a test and a recording")
        for rule in named_rules:
            file, _, function = rule.partition(":")
            if not re.search(rf"\b{re.escape(function)}\(", rules.get(file, "")):
                found.append(f"{case}: trace/{file} has no {function}")
        found += [f"{case}: there is no test {test}" for test in named_tests if test not in tests]
        found += [f"{case}: there is no recording {one}" for one in named_recordings if not {one, f"hard/{one}", f"walks/{one}"} & set(recordings)]
        shown.update(named_recordings)
    found += [f"tests/recordings/{one} stands in no row" for one in sorted(recordings) if one.startswith("hard/") and one[5:] not in shown]
    return found


def check():
    rules = {os.path.basename(path): read(path) for path in glob.glob(os.path.join(ROOT, "trace", "*.cpp"))}
    tests = tests_of(read(path) for path in glob.glob(os.path.join(ROOT, "tests", "*", "*_test.cpp")))
    folder = os.path.join(ROOT, "tests", "recordings")
    recordings = {os.path.relpath(os.path.dirname(path), folder) for path in glob.glob(os.path.join(folder, "**", "truth.json"), recursive=True)}
    return problems_of(read(os.path.join(ROOT, "docs", "attribution.md")), rules, tests, recordings)


def self_test():
    good = HEADING + "\n" + 30 * "| a case | `a.cpp:rule` | `suite.test` | `s01` `one` |\n"
    known = ({"a.cpp": "void rule() {}"}, {"suite.test"}, {"s01", "hard/one"})
    assert not problems_of(good, *known), problems_of(good, *known)
    for bad, what in ((good.replace("rule", "ruler", 1), "has no ruler"), (good.replace("suite.test", "suite.none", 1), "no test"),
                      (good.replace("`s01` ", "`s02` ", 1), "no recording"), (good.replace("`one`", ""), "in no row"),
                      (good.replace("`suite.test`", "", 1), "needs"), (HEADING, "0 rows")):
        assert any(what in problem for problem in problems_of(bad, *known)), what


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        print("the check finds what it must find")
        return
    found = check()
    for problem in found:
        print(problem)
    print(f"hard cases: {len(found)} problems")
    sys.exit(1 if found else 0)


main()
