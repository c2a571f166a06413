"""Checklist: items ticked by whom and when; each required item once.

Ticks add up over several calls by several people. An item is a text, or an object that may demand a value, a photo or
forbid "not applicable". It is named by its index (from 0), its key or its label.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from models.requirements.base import Config, ConfigProblem, Giving, Json, Recorded, invalid, parsed
from models.store.documents import documents_for_attaching
from models.store.views import moment

LONGEST_TEXT = 10_000
MINIMUM_REASON = 3
"""Characters that say why an item does not apply."""


class ValueType(StrEnum):
    """What kind of value an item takes."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    BOOLEAN = "boolean"


class ItemValue(Config):
    """What the value of an item may be.

    Attributes:
        minimum, maximum: of a number, both ends count.
        min_length, max_length: characters of a text.
        choices: the texts of which one is chosen, word for word.
        unit: shown beside a number; what has to be judged by tolerances is a measurement.
    """

    type: ValueType = ValueType.TEXT
    minimum: StrictInt | StrictFloat | None = None
    maximum: StrictInt | StrictFloat | None = None
    min_length: int = Field(default=0, ge=0, le=LONGEST_TEXT)
    max_length: int = Field(default=LONGEST_TEXT, ge=1, le=LONGEST_TEXT)
    choices: tuple[str, ...] = Field(default=(), max_length=200)
    unit: str = Field(default="", max_length=50)

    def contradiction(self) -> str | None:
        """Why no value can be given; None where one can."""
        if self.type is ValueType.CHOICE and len(set(self.choices)) != max(len(self.choices), 1):
            return "A choice lists its choices, each once."
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            return "The minimum lies above the maximum."
        if self.min_length > self.max_length:
            return "The shortest text is longer than the longest."
        if self.choices and self.type is not ValueType.CHOICE:
            return "Only a value of type choice has choices."
        if (self.minimum, self.maximum) != (None, None) and self.type is not ValueType.NUMBER:
            return "Only a value of type number has a minimum and a maximum."
        return None

    def misfit(self, value: Any) -> str | None:
        """Why a value does not fit, for whoever typed it; None where it does."""
        match self.type:
            case ValueType.NUMBER:
                return self._misfit_of_number(value)
            case ValueType.BOOLEAN:
                return None if isinstance(value, bool) else "takes true or false"
            case ValueType.CHOICE:
                return None if value in self.choices else f"takes one of: {', '.join(self.choices)}"
            case ValueType.TEXT:
                if not isinstance(value, str):
                    return "takes a text"
                fits = self.min_length <= len(value.strip()) and len(value) <= self.max_length
                return None if fits else f"takes {self.min_length} to {self.max_length} characters"

    def _misfit_of_number(self, value: Any) -> str | None:
        unit = f" {self.unit}" if self.unit else ""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "takes a number"
        if self.minimum is not None and value < self.minimum:
            return f"takes at least {self.minimum}{unit}"
        if self.maximum is not None and value > self.maximum:
            return f"takes at most {self.maximum}{unit}"
        return None


class Item(Config):
    """One line to tick.

    Attributes:
        value: what the value may be; with it, one has to be given unless `needs_value` is false.
    """

    label: str = Field(min_length=1, max_length=1000)
    key: str = ""
    description: str = ""
    is_required: bool = True
    value: ItemValue | None = None
    needs_value: bool | None = None
    needs_photo: bool = False
    allow_not_applicable: bool = True

    @property
    def asks_for_value(self) -> bool:
        """Whether it is done only with a value."""
        return self.value is not None if self.needs_value is None else self.needs_value


def _item(raw: Any) -> Any:
    return {"label": raw} if isinstance(raw, str) else raw


class ChecklistConfig(Config):
    """`items`: texts or objects."""

    items: tuple[Annotated[Item, BeforeValidator(_item)], ...] = Field(min_length=1)


class Tick(BaseModel):
    """One item as it is sent."""

    model_config = ConfigDict(extra="forbid")

    item: StrictInt | str
    value: StrictBool | StrictInt | StrictFloat | str | None = None
    photo: UUID | None = Field(default=None, description="Id of the document that shows it.")
    not_applicable: str | None = None


def _tick(raw: Any) -> Any:
    named = isinstance(raw, str) or (isinstance(raw, int) and not isinstance(raw, bool))
    return {"item": raw} if named else raw


class Ticks(BaseModel):
    """`checked_items`: objects, or plain indexes or labels."""

    model_config = ConfigDict(extra="forbid")

    checked_items: list[Annotated[Tick, BeforeValidator(_tick)]] = Field(min_length=1, max_length=1000)


class Checklist(Recorded):
    """Evidence: `{"checked_items": [{"item": index, "label", "by", "by_name", "at", "value"?, "not_applicable"?}]}`."""

    name = "checklist"
    config_model = ChecklistConfig

    def further_problems(self, config: ChecklistConfig) -> Iterable[ConfigProblem]:
        """Two items of one name could not be told apart; a value that cannot be given keeps the step shut."""
        seen: set[str] = set()
        for number, item in enumerate(config.items):
            for name in {item.label.strip(), item.key.strip()} - {""}:
                if name in seen:
                    yield ConfigProblem("config_invalid", f"/items/{number}", f"'{name}' is listed twice.")
                seen.add(name)
            contradiction = None if item.value is None else item.value.contradiction()
            if contradiction is not None:
                yield ConfigProblem("config_invalid", f"/items/{number}/value", contradiction)

    def missing(self, config: Mapping[str, Any], evidence: Json) -> str | None:
        """Which required items are not ticked."""
        done = {tick["item"] for tick in evidence.get("checked_items", ())}
        required = [(number, item) for number, item in enumerate(ChecklistConfig(**config).items) if item.is_required]
        left = [item.label for number, item in required if number not in done]
        if not left:
            return None
        named = "; ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        return f"{len(required) - len(left)} of {len(required)} items done; open: {named}"

    async def give(self, giving: Giving) -> Json | None:
        """Add ticks. What is ticked already stays as it was, unless its value or reason changes."""
        items = ChecklistConfig(**giving.config).items
        numbers = _names(items)
        before = {tick["item"]: tick for tick in giving.before.get("checked_items", ())}
        after = dict(before)
        ticks = parsed(Ticks, giving.evidence).checked_items
        await _check_photos(giving, ticks)
        said_now: dict[int, Tick] = {}
        for place, tick in enumerate(ticks):
            number = numbers.get(tick.item if isinstance(tick.item, int) else tick.item.strip())
            if number is None:
                raise invalid(f"/checked_items/{place}/item", f"There is no item '{tick.item}' in this checklist.")
            _check(items[number], tick, place)
            other = said_now.setdefault(number, tick)
            if (other.value, other.photo, other.not_applicable) != (tick.value, tick.photo, tick.not_applicable):
                raise invalid(f"/checked_items/{place}", f"'{items[number].label}' is sent twice, and not the same.")
            photo = None if tick.photo is None else str(tick.photo)
            said = {"value": tick.value, "photo": photo, "not_applicable": tick.not_applicable}
            known = after.get(number)
            if known is None or any(known.get(name) != value for name, value in said.items()):
                after[number] = {
                    "item": number,
                    "label": items[number].label,
                    "by": str(giving.person.id),
                    "by_name": giving.person.printed_name,
                    "at": moment(giving.now),
                    **{name: value for name, value in said.items() if value is not None},
                }
        return None if after == before else {"checked_items": [after[number] for number in sorted(after)]}


async def _check_photos(giving: Giving, ticks: Sequence[Tick]) -> None:
    """A photo is a document of this tenant; its content never changes, so its id stands for it."""
    wanted = [tick.photo for tick in ticks if tick.photo is not None]
    if not wanted:
        return
    known = {row["id"] for row in await documents_for_attaching(giving.session, giving.tenant_id, wanted)}
    for place, tick in enumerate(ticks):
        if tick.photo is not None and tick.photo not in known:
            raise invalid(f"/checked_items/{place}/photo", f"There is no document {tick.photo}.")


def _names(items: tuple[Item, ...]) -> dict[int | str, int]:
    named: dict[int | str, int] = {number: number for number in range(len(items))}
    for number, item in enumerate(items):
        named |= {name: number for name in (item.label.strip(), item.key.strip()) if name}
    return named


def _check(item: Item, tick: Tick, place: int) -> None:
    if tick.not_applicable is not None:
        if not item.allow_not_applicable:
            raise invalid(
                f"/checked_items/{place}/not_applicable", f"'{item.label}' has to be done; it always applies."
            )
        if len(tick.not_applicable.strip()) < MINIMUM_REASON:
            raise invalid(f"/checked_items/{place}/not_applicable", "Say why the item does not apply.")
        return
    if tick.value in {None, ""}:
        if item.asks_for_value:
            raise invalid(f"/checked_items/{place}/value", f"'{item.label}' needs a value.")
    elif item.value is not None and (misfit := item.value.misfit(tick.value)) is not None:
        raise invalid(f"/checked_items/{place}/value", f"'{item.label}' {misfit}.")
    if item.needs_photo and not tick.photo:
        raise invalid(
            f"/checked_items/{place}/photo", f"'{item.label}' needs a photo: upload it, send its document id."
        )
