"""The requirement type `torque_sequence`: bolts are tightened one after the other, each within a window."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.requirements.base import Config, ConfigProblem, Giving, Json, Recorded, invalid, parsed


class TorqueConfig(Config):
    """How many `bolts`, and the window of each in Nm; both ends count."""

    bolts: int = Field(ge=1, le=200)
    minimum: float = Field(ge=0)
    maximum: float = Field(ge=0)


class Tightened(BaseModel):
    """`torques` in Nm, in the order of the bolts that are still loose."""

    model_config = ConfigDict(extra="forbid")

    torques: list[float] = Field(min_length=1)


class TorqueSequence(Recorded):
    """Evidence: `{"torques": [...]}`; later calls add to it."""

    name = "torque_sequence"
    config_model = TorqueConfig

    def further_problems(self, config: TorqueConfig) -> Iterable[ConfigProblem]:
        """A window that is upside down."""
        if config.minimum > config.maximum:
            yield ConfigProblem("config_invalid", "/minimum", "The minimum lies above the maximum.")

    def missing(self, config: Mapping[str, Any], evidence: Json) -> str | None:
        """How many bolts are loose."""
        tightened, bolts = len(evidence.get("torques", ())), TorqueConfig(**config).bolts
        return None if tightened >= bolts else f"{tightened} of {bolts} bolts tightened"

    async def give(self, giving: Giving) -> Json:
        """Add torques; one outside the window is refused, so that the bolt is tightened anew."""
        config, before = TorqueConfig(**giving.config), list(giving.before.get("torques", ()))
        torques = parsed(Tightened, giving.evidence).torques
        for place, torque in enumerate(torques):
            if not config.minimum <= torque <= config.maximum:
                window = f"{config.minimum:g} to {config.maximum:g} Nm"
                raise invalid(f"/torques/{place}", f"Bolt {len(before) + place + 1} takes {window}, not {torque:g}.")
        if len(before) + len(torques) > config.bolts:
            raise invalid("/torques", f"There are only {config.bolts} bolts.")
        return {"torques": [*before, *torques]}
