"""The named action `set_torque`: hand the torque of a job to the controller of a wrench, before anybody takes it.

A real one would speak to the controller (Open Protocol, for instance); this one keeps its jobs in a folder, as a simple
controller that watches one does. It may be asked again after a failure, and then writes the same file once more.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from activities.contract import SiteCall
from gatework_torque.check import WRENCHES


def set_torque(call: SiteCall) -> dict[str, Any]:
    """Arguments: `wrench` and `torque` in Nm. Answer: the number of the job, and the torque as the wrench has it."""
    wrench, torque = str(call.args["wrench"]), float(call.args["torque"])
    if torque > WRENCHES[wrench]:
        raise ValueError(f"{wrench} goes up to {WRENCHES[wrench]:g} Nm only")
    folder = Path(os.environ.get("TORQUE_JOBS", tempfile.gettempdir()))
    job = {"wrench": wrench, "torque": torque, "part": call.subject["identifier"], "step": call.step}
    (folder / f"{call.call_id}.json").write_text(json.dumps(job))
    return {"job": call.call_id, "torque": torque}
