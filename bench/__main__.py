"""`python -m bench [--quick]`: measure, print, write bench/results.json and the tables of bench/README.md."""

import argparse
import os

from rich.console import Console

from bench.measure import QUICK, TINY, Sizes
from bench.run import run
from bench.servers import servers
from models.settings import Settings
from workers import loop


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pass with fewer completions; nothing is written")
    chosen = parser.parse_args()
    console = Console()
    with servers() as running:
        samples = loop.run(run(running, QUICK if chosen.quick else Sizes(), console.log))
    console.print(samples)


if __name__ == "__main__":
    main()
