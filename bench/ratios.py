"""What the numbers are held to: ratios within one run, never absolute times."""

import statistics
from dataclasses import dataclass
from typing import Any

from bench.run import BY_SIGNAL, OVER_HTTP, Samples

H = "H, 100 callers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Ours over a yardstick, at least or at most so much.

    Attributes:
        ours, yardstick: (contender, measure); a yardstick of None is 1, so that the value itself counts.
        binding: a count that must hold in every run; the others are reported.
    """

    name: str
    ours: tuple[str, str]
    yardstick: tuple[str, str] | None
    at_least: float | None = None
    at_most: float | None = None
    binding: bool = False

    def judge(self, samples: Samples) -> dict[str, Any]:
        """The median of the passes' ratios, and whether it is where it should be."""
        mine = samples.values[self.ours]
        theirs = [1.0] * len(mine) if self.yardstick is None else samples.values[self.yardstick]
        passes = [one / other for one, other in zip(mine, theirs, strict=True)]
        value = statistics.median(passes)
        met = (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)
        return {
            "name": self.name,
            "value": value,
            "passes": passes,
            "wanted": f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}",
            "met": met,
            "binding": self.binding,
        }


RULES = (
    Rule(
        name="events per lone completion, search attributes included",
        ours=(BY_SIGNAL, "events"), yardstick=None, at_most=8, binding=True,
    ),
    Rule(name="events per claim", ours=(BY_SIGNAL, "events_of_claim"), yardstick=None, at_most=5),
    Rule(
        name="completions/s by signal : L1",
        ours=(BY_SIGNAL, "per_second"), yardstick=("L1", "per_second"), at_least=0.7,
    ),
    Rule(
        name="completions/s by signal : T2",
        ours=(BY_SIGNAL, "per_second"), yardstick=("T2", "per_second"), at_least=1.2,
    ),
    Rule(
        name="completions/s over HTTP : L1",
        ours=(OVER_HTTP, "per_second"), yardstick=("L1", "per_second"), at_least=0.4,
    ),
    Rule(name="lone p50 by signal : L1", ours=(BY_SIGNAL, "p50_ms"), yardstick=("L1", "p50_ms"), at_most=1.5),
    Rule(name="lone p50 over HTTP : L1", ours=(OVER_HTTP, "p50_ms"), yardstick=("L1", "p50_ms"), at_most=2.5),
    Rule(
        name="hot instance, 100 callers, by signal : H",
        ours=(BY_SIGNAL, "hot_per_second"), yardstick=(H, "per_second"), at_least=0.7,
    ),
    Rule(
        name="hot instance, 100 callers, over HTTP : H",
        ours=(OVER_HTTP, "hot_per_second"), yardstick=(H, "per_second"), at_least=0.7,
    ),
    Rule(
        name="bulk by signal : B",
        ours=(BY_SIGNAL, "bulk_per_second"), yardstick=("B", "per_second"), at_least=0.1,
    ),
    Rule(
        name="bulk over HTTP : B",
        ours=(OVER_HTTP, "bulk_per_second"), yardstick=("B", "per_second"), at_least=0.1,
    ),
    Rule(
        name="starting : one bulk step, by signal",
        ours=(BY_SIGNAL, "start_seconds"), yardstick=(BY_SIGNAL, "bulk_seconds"), at_most=3,
    ),
    Rule(
        name="starting : one bulk step, over HTTP",
        ours=(OVER_HTTP, "start_seconds"), yardstick=(OVER_HTTP, "bulk_seconds"), at_most=3,
    ),
)  # fmt: skip
