"""Fuzz one target until libFuzzer's options say stop: python -m fuzz.one TARGET [libFuzzer's options and folders].

Says every thousand inputs how many of them were not refused: what is refused is read by nobody.
"""

import sys
from collections import Counter
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"

with atheris.instrument_imports(include=["mcp_core"]):
    from fuzz.checks import CHECKS
    from fuzz.mutate import mutate
    from mcp_core.outcome import Reject


def main():
    target = sys.argv[1]
    check, counts = CHECKS[target], Counter()
    # Seeds of this name are what honest clients and servers send.
    sound = [path.read_bytes() for path in sorted((CORPUS / target).glob("0-*"))]

    def change(data, most, seed):
        return mutate(data, most, seed, sound) if seed % 8 else atheris.Mutate(data, most)

    def one(data):
        outcome = check(data)
        counts["run"] += 1
        counts["passed"] += bool(outcome) and not isinstance(outcome, Reject)
        if counts["run"] % 1000 == 0:
            sys.stderr.write(f"passed {counts['passed']} of {counts['run']}\n")

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
