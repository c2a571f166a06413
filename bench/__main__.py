"""`python -m bench [--quick] [--scale]`: measure, print, write the results beside this file and into its README."""

import argparse
import os
import sys

from rich.console import Console

from bench import report, scale_report
from bench.measure import QUICK, Sizes
from bench.run import Say, run
from bench.scale import SCALE, SCALE_QUICK, ScaleSizes, scale
from bench.servers import servers
from models.settings import Settings
from workers import garbage, loop


def measure(sizes: Sizes, say: Say) -> report.Results:
    """Start servers, measure everything, stop them. Call it from the main thread, outside an event loop."""
    _alone()
    before = os.getloadavg()[0]
    with servers() as running:
        samples = loop.run(run(running, sizes, say))
    return report.results_of(samples, sizes, {"before": before, "after": os.getloadavg()[0]})


def measure_scale(sizes: ScaleSizes, say: Say) -> report.Results:
    """The same for many subjects and many instances."""
    _alone()
    before = os.getloadavg()[0]
    with servers() as running:
        found = loop.run(scale(running, sizes, say))
    return scale_report.results_of(found, sizes, {"before": before, "after": os.getloadavg()[0]})


def _alone() -> None:
    """Only what is said here counts, not the settings of whoever runs this; garbage as in a worker process."""
    garbage.settle()
    Settings.model_config["env_file"] = None
    for name in [
        one for one in os.environ if one.startswith(("GATEWORK_", "TEMPORAL_")) or one.endswith("DATABASE_URL")
    ]:
        del os.environ[name]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pass with fewer completions; writes nothing")
    parser.add_argument("--scale", action="store_true", help="10,000 subjects and 5,000 instances instead of the rest")
    chosen = parser.parse_args()
    console = Console()
    if chosen.scale:
        return _scale(console, quick=chosen.quick)
    results = measure(QUICK if chosen.quick else Sizes(), console.log)
    for table in report.printed(report.tables(results)):
        console.print(table)
    if not chosen.quick:
        report.write(results)
    return 0 if all(one["met"] for one in results["ratios"] if one["binding"]) else 1


def _scale(console: Console, *, quick: bool) -> int:
    results = measure_scale(SCALE_QUICK if quick else SCALE, console.log)
    for table in report.printed(scale_report.tables(results)):
        console.print(table)
    if not quick:
        scale_report.write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
