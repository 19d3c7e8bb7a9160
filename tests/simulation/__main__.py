"""Tells one history, or runs through many.

python -m tests.simulation SEED             what happened when; a broken history is shrunk first
python -m tests.simulation SEED --only 1,4  with these of its faults only
python -m tests.simulation --soak 10000     many seeds, with a summary
"""

from __future__ import annotations

import argparse

from tests.simulation.history import History
from tests.simulation.schedule import schedule
from tests.simulation.shrink import tell
from tests.simulation.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--soak", type=int, metavar="N", help="so many seeds, from SEED on")
    parser.add_argument("--only", metavar="NUMBERS", help="of the faults that are left, or `none`")
    given = parser.parse_args()
    if given.soak:
        return soak(given.seed, given.soak)
    if given.only is None:
        words = tell(given.seed)
        print(words)
        return 0 if words.endswith("no invariant was broken") else 1
    faults = schedule(given.seed)
    numbers = [] if given.only == "none" else [int(each) for each in given.only.split(",")]
    history = History(given.seed, [faults[number] for number in numbers])
    broken = history.run()
    print("\n".join([*history.world.lines, *map(str, broken)]))
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
