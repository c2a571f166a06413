"""Units of measured values: what was read in another unit is converted, exactly where the units allow it.

`pint` knows the units. Only what parses there is converted; a unit of the plant's own (`HRC`, `pcs`) is taken as
it is written.
"""

from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import pint

LONGEST = 50
"""Characters of a unit."""


class UnitError(Exception):
    """A value cannot be brought into the unit that is asked for; the message says why, for a person."""


@cache
def _registry() -> Any:
    """The registry of all units; made at the first conversion, as that takes a moment."""
    units: Any = pint.UnitRegistry(non_int_type=Decimal, on_redefinition="ignore")
    # Shipped with another meaning (of yarns), which nobody measures beside torques.
    units.define("newton_meter = newton * meter = Nm")
    return units


def converted(value: Decimal, given: str, wanted: str) -> Decimal:
    """The value in the unit wanted; as it came where both are spelled the same.

    Raises:
        UnitError: one of the units is not known, or they measure different things.
    """
    if given == wanted:
        return value
    try:
        units = _registry()
        found: Any = units.Quantity(value, _parsed(given)).to(_parsed(wanted)).magnitude
        return Decimal(f"{Decimal(found).normalize():f}")
    except UnitError as error:
        raise UnitError(f"Measure in '{wanted}', not in '{given}': {error}.") from error
    except pint.DimensionalityError as error:
        raise UnitError(f"Measure in '{wanted}'; '{given}' measures something else.") from error


@lru_cache(maxsize=512)
def _parsed(unit: str) -> Any:
    if not unit or len(unit) > LONGEST:
        raise UnitError("a unit is missing")
    try:
        return _registry().parse_units(unit)
    except Exception as error:
        raise UnitError(f"'{unit}' is no known unit") from error
