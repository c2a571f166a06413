"""Find a Chromium for the browser tests, installing one where that is possible; prints its path.

Standard library only, so that it runs before anything is installed. Exit code 1 and an instruction on
standard error if there is no way.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PLAYWRIGHT = {"linux": ".cache/ms-playwright", "darwin": "Library/Caches/ms-playwright"}
INSTRUCTION = """No Chromium was found for the browser tests, and none could be installed. One of these helps:
  Debian:  apt-get install chromium
  others:  .venv/bin/playwright install chromium
  or name one: GATEWORK_CHROMIUM=/path/to/chromium make test
Without a browser: make test-fast"""


def candidates() -> Iterator[Path]:
    """Where a browser may be, best first."""
    if named := os.environ.get("GATEWORK_CHROMIUM"):
        yield Path(named)
        return
    yield from (Path(found) for name in NAMES if (found := shutil.which(name)))
    yield from (Path(app) for app in MAC_APPS)
    own = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / PLAYWRIGHT.get(sys.platform, "none"))
    for pattern in ("chrome", "Chromium", "chrome-headless-shell"):
        yield from sorted(own.glob(f"chromium*/**/{pattern}"), reverse=True)


def starts(browser: Path) -> bool:
    """Whether this program runs; Ubuntu's chromium-browser may be a stub that only asks for snap."""
    try:
        asked = subprocess.run([browser, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and "Chrom" in asked.stdout


def find() -> Path | None:
    """First candidate that runs."""
    return next((path for path in candidates() if path.is_file() and starts(path)), None)


def installers() -> Iterator[list[list[str]]]:
    """Ways to get a browser, each a list of commands."""
    if os.environ.get("GATEWORK_CHROMIUM"):
        return
    if shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
        yield [
            [*root, *quiet, "apt-get", "update", "-q"],
            [*root, *quiet, "apt-get", "install", "-qy", "--no-install-recommends", "chromium"],
        ]
    playwright = Path(__file__).resolve().parent.parent / ".venv/bin/playwright"
    if playwright.exists():
        yield [[str(playwright), "install", "chromium"]]


def install() -> Path | None:
    """Try each way until one leaves a browser that runs."""
    for commands in installers():
        print(f"No Chromium yet; trying: {' '.join(commands[-1])}", file=sys.stderr)
        done = all(
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0 for command in commands
        )
        if done and (found := find()):
            return found
    return None


def main() -> int:
    """Print the browser's path."""
    browser = find() or install()
    if browser is None:
        print(INSTRUCTION, file=sys.stderr)
        return 1
    print(browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
