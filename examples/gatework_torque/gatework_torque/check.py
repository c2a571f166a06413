"""The named check `torque_wrench`: is the wrench that was used fit for the torque that is asked for?

A real one would ask the wrench's controller in the plant; this one knows its wrenches by heart.
"""

from typing import Any

from activities.contract import CheckCall

WRENCHES = {"TW-20": 20.0, "TW-100": 100.0}
"""The largest torque of each, in Nm."""


def torque_wrench(call: CheckCall) -> dict[str, Any]:
    """Evidence: `{"wrench": name}`; parameter: `torque` in Nm."""
    wrench, torque = str(call.evidence.get("wrench", "")), float(call.parameters["torque"])
    largest = WRENCHES.get(wrench)
    if largest is None:
        return {"passed": False, "reason": f"there is no wrench {wrench or 'named'} at this plant"}
    if torque > largest:
        return {"passed": False, "reason": f"{wrench} goes up to {largest:g} Nm only"}
    return {"passed": True, "data": {"largest": largest}}
