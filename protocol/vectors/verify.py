#!/usr/bin/env python3
"""Checks the vectors of this folder independently of the Rust code: plain Python 3, nothing but its standard library.

    python3 verify.py [--turn-digits] [FOLDER]

Prints "OK" and the number of comparisons, exit status 0; at the first disagreement it names it, exit status 1.
With --turn-digits every hexadecimal value is changed in one digit, one at a time, and each change must be noticed.
What the bytes mean is written in docs/protocol.md; the parts in verifier/ follow that text and share nothing else with the
project.
"""
import json, pathlib, re, sys

sys.dont_write_bytecode = True

from verifier.files import CHECKS, FILES, SINGLE, Count, check_batches_opening, check_refused
from verifier.reading import Fault, Wrong

# what does not hold, however it shows
FAULTS = (Fault, KeyError, IndexError, ValueError, TypeError, StopIteration)


def examples(name, file):
    """Every example of a file with its check."""
    for member, content in file.items():
        if (name, member) in SINGLE:
            continue
        check = check_refused if member == "refused" else CHECKS[name][member]
        for at, example in enumerate(content):
            yield f"{name}.json, {member} {at + 1}", content, at, check


def check_file(name, file):
    for place, content, at, check in examples(name, file):
        try:
            check(content[at], FILES)
        except FAULTS as e:
            what = content[at].get("what", "") if isinstance(content[at], dict) else ""
            raise Wrong(f"{place} {what}: {type(e).__name__} {e}")
    if name == "batches":
        check_batches_opening(file["opening"], FILES)


def places(v):
    """Every (container, index) whose value is a text of hexadecimal digits that must be noticed when it changes."""
    for at, x in v.items() if isinstance(v, dict) else enumerate(v):
        if isinstance(x, (dict, list)):
            yield from places(x)
        elif isinstance(x, str) and re.fullmatch("[0-9a-f]{2,}", x) and not unjudged(at):
            yield v, at


def unjudged(at):
    return isinstance(at, str) and (at == "text" or at.endswith("_text") or at.startswith(("refused_", "unjudged_")))


def other_digit(text, place):
    return text[:place] + ("0" if text[place] != "0" else "8") + text[place + 1 :]


def turn_digits():
    turned = 0
    for name in CHECKS:
        for place, content, at, check in list(examples(name, FILES[name])):
            for container, index in list(places(content[at])):
                kept = container[index]
                container[index] = other_digit(kept, turned * 7 % len(kept))
                if unnoticed(check, content[at]):
                    raise Wrong(f"{place}: a turned digit in {index} was not noticed: {kept[:200]}")
                container[index] = kept
                turned += 1
        for of, member in SINGLE:
            if of == name:
                kept = FILES[name][member]
                FILES[name][member] = other_digit(kept, 5)
                try:
                    check_file(name, FILES[name])
                except FAULTS:
                    turned += 1
                else:
                    raise Wrong(f"{name}.json: a turned digit in {member} was not noticed")
                FILES[name][member] = kept
    return turned


def unnoticed(check, example):
    try:
        check(example, FILES)
    except FAULTS:
        return False
    return True


def main(arguments):
    turning = "--turn-digits" in arguments
    folders = [a for a in arguments if a != "--turn-digits"]
    folder = pathlib.Path(folders[0] if folders else pathlib.Path(__file__).parent)
    try:
        for name in CHECKS:
            FILES[name] = json.loads((folder / f"{name}.json").read_text("utf-8"))
        for name in CHECKS:
            check_file(name, FILES[name])
        print(f"OK {turn_digits()} changed values noticed" if turning else f"OK {Count.done} checks")
    except (*FAULTS, OSError) as e:
        print(f"FAILED {type(e).__name__}: {e}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
