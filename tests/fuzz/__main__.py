"""Command line: ``python -m tests.fuzz --inputs 100000 --target prototxt``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.campaign import fuzz
from tests.fuzz.targets import TARGETS, make_input


def main() -> int:
    """Fuzz; or write one input to a file, to look at it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--inputs", type=int, default=100_000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the findings' inputs")
    options = parser.parse_args()
    found = 0
    for target in options.target or TARGETS:
        result = fuzz(target, options.inputs, options.seed, options.start)
        print(result)
        shown: set[str] = set()
        for finding in result.findings:
            if finding.kind in shown:
                continue
            shown.add(finding.kind)
            print(f"  input {finding.index}: {finding.problem}")
            if options.save is not None:
                options.save.mkdir(parents=True, exist_ok=True)
                name = f"{target}-{options.seed}-{finding.index}{TARGETS[target].suffix}"
                (options.save / name).write_bytes(make_input(target, options.seed, finding.index))
        found += len(result.findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
