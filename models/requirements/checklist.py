"""Checklist: items ticked by whom and when; each required item once.

Ticks add up over several calls by several people. An item is a text, or an object that may demand a value or forbid
"not applicable". It is named by its index (from 0), its key or its label.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from models.requirements.base import Config, ConfigProblem, Giving, Json, Recorded, invalid, parsed
from models.store.documents import documents_for_attaching
from models.store.views import moment

MINIMUM_REASON = 3
"""Characters that say why an item does not apply."""


class Item(Config):
    """One line to tick."""

    label: str = Field(min_length=1, max_length=1000)
    key: str = ""
    description: str = ""
    is_required: bool = True
    needs_value: bool = False
    needs_photo: bool = False
    allow_not_applicable: bool = True


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
        """Two items of one name could not be told apart."""
        seen: set[str] = set()
        for number, item in enumerate(config.items):
            for name in {item.label.strip(), item.key.strip()} - {""}:
                if name in seen:
                    yield ConfigProblem("config_invalid", f"/items/{number}", f"'{name}' is listed twice.")
                seen.add(name)

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
        for place, tick in enumerate(ticks):
            number = numbers.get(tick.item if isinstance(tick.item, int) else tick.item.strip())
            if number is None:
                raise invalid(f"/checked_items/{place}/item", f"There is no item '{tick.item}' in this checklist.")
            _check(items[number], tick, place)
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
    if item.needs_value and tick.value in {None, ""}:
        raise invalid(f"/checked_items/{place}/value", f"'{item.label}' needs a value.")
    if item.needs_photo and not tick.photo:
        raise invalid(
            f"/checked_items/{place}/photo", f"'{item.label}' needs a photo: upload it, send its document id."
        )
