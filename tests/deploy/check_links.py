#!/usr/bin/env python3
"""Check that every relative link of the documentation leads to a file, and every #fragment to a heading of it.

usage: tests/deploy/check_links.py
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.M | re.S)


def fragments(path):
    """The anchors of a Markdown file, as its headings give them."""
    with open(path, encoding="utf-8") as stream:
        headings = re.findall(r"^#+ (.+)$", FENCED.sub("", stream.read()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pages():
    for name in os.listdir(ROOT):
        if name.endswith(".md"):
            yield name
    for folder in ("docs", "deploy", "tests", "bench"):
        for here, folders, files in os.walk(os.path.join(ROOT, folder)):
            folders[:] = [inner for inner in folders if inner not in ("tools", "__pycache__")]
            for name in files:
                if name.endswith(".md"):
                    yield os.path.relpath(os.path.join(here, name), ROOT)


def main():
    broken, count = [], 0
    for page in sorted(pages()):
        with open(os.path.join(ROOT, page), encoding="utf-8") as stream:
            text = FENCED.sub("", stream.read())
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            file, _, fragment = target.partition("#")
            path = os.path.normpath(os.path.join(ROOT, os.path.dirname(page), file)) if file else os.path.join(ROOT, page)
            if not os.path.exists(path):
                broken.append(f"{page}: {target} does not exist")
            elif fragment and path.endswith(".md") and fragment not in fragments(path):
                broken.append(f"{page}: {target} has no such heading")
    for problem in broken:
        print(problem)
    print(f"{count} links, {len(broken)} broken")
    sys.exit(1 if broken or not count else 0)


main()
