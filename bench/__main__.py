"""`python -m bench [--quick]`: measure, print, write bench/results.json and the tables of bench/README.md."""

import argparse
import os
import sys

from rich.console import Console

from bench import report
from bench.measure import QUICK, Sizes
from bench.run import Say, run
from bench.servers import servers
from models.settings import Settings
from workers import loop


def measure(sizes: Sizes, say: Say) -> report.Results:
    """Start servers, measure everything, stop them. Call it from the main thread, outside an event loop."""
    Settings.model_config["env_file"] = None
    for name in [
        one for one in os.environ if one.startswith(("GATEWORK_", "TEMPORAL_")) or one.endswith("DATABASE_URL")
    ]:
        del os.environ[name]
    before = os.getloadavg()[0]
    with servers() as running:
        samples = loop.run(run(running, sizes, say))
    return report.results_of(samples, sizes, {"before": before, "after": os.getloadavg()[0]})


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pass with fewer completions; writes nothing")
    chosen = parser.parse_args()
    console = Console()
    results = measure(QUICK if chosen.quick else Sizes(), console.log)
    for table in report.printed(results):
        console.print(table)
    if not chosen.quick:
        report.write(results)
    return 0 if all(one["met"] for one in results["ratios"] if one["binding"]) else 1


if __name__ == "__main__":
    sys.exit(main())
