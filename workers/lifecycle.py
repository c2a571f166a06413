"""How a process of ours ends: on a signal, drained, and without a native crash at the very last moment."""

import asyncio
import os
import signal
import sys
from typing import NoReturn


def stop_on_signals() -> asyncio.Event:
    """Event that SIGTERM or SIGINT sets. Call inside the running loop, once.

    A second signal ends the process at once, for the impatient.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            leave(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def leave(code: int) -> NoReturn:
    """End the process with ``code``.

    Once temporalio was loaded, the interpreter's own clean-up is skipped: its native threads sometimes
    crash there (exit 134 or 139, sdk-python #300). Whatever must be written has to be written before.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if "temporalio" in sys.modules:
        os._exit(code)
    sys.exit(code)
