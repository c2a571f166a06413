"""Read XES (IEEE 1849, versions 1.0 and 2.0) as a stream: one trace is in memory at a time."""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from sys import intern
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from workers.importlog.log import Case, Event, Fields, LogError, Oddities, is_placeholder
from workers.importlog.ordering import CaseBuilder, moments
from workers.importlog.timestamps import read_iso, reader_for

Attributes = dict[str, Any]

_STANDARD_PREFIXES = frozenset({"concept", "lifecycle", "org", "time"})
_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id", "list", "container"})
_NO_TIME = "NaT"
"""What pm4py writes where a data frame has no time; for a person who is missing it writes the number NaN."""
_KEYS = re.compile(r"'([^']*)'|\"([^\"]*)\"|(\S+)")
_USUAL = {"concept:name", "time:timestamp", "start_timestamp", "org:resource", "lifecycle:transition"}
"""What is looked for unless another attribute is named; a log need not have all of them."""
_MOST_NESTED = 100
"""Levels of attributes in attributes: no log has as many, and a hostile one would overflow the stack."""


def read_xes(stream: BinaryIO, fields: Fields, oddities: Oddities, limit: int | None = None) -> Iterator[Case]:
    """Yield the first `limit` cases of a XES document in the order of the file.

    Raises:
        LogError: log_malformed, log_format_unknown, log_column_unknown.
    """
    document = _Document(fields, oddities)
    try:
        yield from islice(document.cases(stream), limit)
    except ParseError as error:
        raise LogError("log_malformed", f"The XML is broken: {error}.") from error
    except DefusedXmlException as error:
        raise LogError("log_malformed", "The XML declares entities, which no log needs.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LogError("log_malformed", f"The compressed file is broken: {error}.") from error
    except (ValueError, LookupError) as error:
        raise LogError("log_malformed", f"The XML cannot be read: {error}.") from error
    if document.unseen and document.events_seen:
        missing = ", ".join(map(repr, sorted(document.unseen)))
        raise LogError("log_column_unknown", f"No case or event that was read has the attribute {missing}.")


class _Document:
    """What the head of the document says, and how its events are read because of it."""

    def __init__(self, fields: Fields, oddities: Oddities) -> None:
        self.oddities = oddities
        self.build = CaseBuilder(oddities).build
        self.case_id = fields.case_id.removeprefix("case:") or "concept:name"
        self.activity = fields.activity or "concept:name"
        self.timestamp = fields.timestamp or "time:timestamp"
        self.start = fields.start_timestamp or "start_timestamp"
        self.events_seen = self.events_read = 0
        self.resource = fields.resource or "org:resource"
        self.lifecycle = fields.lifecycle or "lifecycle:transition"
        self.read_time = reader_for([], fields.timestamp_format) if fields.timestamp_format else read_iso
        self.keep_attributes = fields.event_attributes
        keys = {self.case_id, self.activity, self.timestamp, self.start, self.resource, self.lifecycle}
        self.unseen = keys - _USUAL
        self.activity_is_named = bool(fields.activity)
        self.aliases: dict[str, str] = {}
        self.defaults: dict[str, Attributes] = {"trace": {}, "event": {}}
        self.classifiers: list[tuple[str, ...]] = []

    def cases(self, stream: BinaryIO) -> Iterator[Case]:
        path: list[Element] = []
        events: list[Event] = []
        for moment, element in iterparse(stream, events=("start", "end")):
            tag = _local(element)
            if moment == "start":
                if not path and tag != "log":
                    raise LogError("log_format_unknown", f"The document is <{tag}>, not a XES <log>.")
                path.append(element)
                continue
            path.pop()
            parent = _local(path[-1]) if path else ""
            if tag == "event" and parent == "trace":
                self._event(element, events)
                element.clear()
            elif tag == "trace" and parent == "log":
                yield self._trace(element, events)
                events = []
                path[-1].remove(element)
            elif parent == "log":
                self._head(tag, element)
                path[-1].remove(element)

    def _head(self, tag: str, element: Element) -> None:
        match tag:
            case "extension":
                standard = element.get("uri", "").rpartition("/")[2].removesuffix(".xesext")
                if standard in _STANDARD_PREFIXES and element.get("prefix"):
                    self.aliases[element.get("prefix", "")] = standard
            case "global":
                self.defaults.setdefault(element.get("scope", "event"), {}).update(self._attributes(element))
            case "classifier" if element.get("scope", "event") == "event":
                found = _KEYS.findall(element.get("keys", ""))
                self.classifiers.append(tuple(a or b or c for a, b, c in found))
            case "event":
                self.oddities.add("skipped: events outside a trace")
            case _:
                pass

    def _trace(self, element: Element, events: Sequence[Event]) -> Case:
        attributes = self._attributes(element)
        self.unseen.difference_update(attributes)
        name = _text(attributes.get(self.case_id))
        return self.build(name, events, attributes)

    def _event(self, element: Element, events: list[Event]) -> None:
        attributes = self._attributes(element)
        self.events_seen += 1
        self.unseen.difference_update(attributes, self.defaults["event"])
        activity = self._activity(attributes)
        if not activity:
            self.oddities.add("skipped: events without an activity")
            return
        ended = self._time(attributes.get(self.timestamp))
        begun = self._time(attributes.get(self.start))
        instance = _text(attributes.get("concept:instance"))
        if begun is not None:
            instance = f"{instance} {self.events_read}"  # start and end of one record belong together
        self.events_read += 1
        transition = self._with_default(attributes, self.lifecycle)
        for moment, lifecycle in moments(begun, ended, transition, activity, self.oddities):
            events.append(
                Event(
                    intern(activity),
                    intern(lifecycle),
                    moment,
                    intern(_text(attributes.get(self.resource))),
                    instance,
                    attributes if self.keep_attributes else {},
                )
            )

    def _activity(self, attributes: Mapping[str, Any]) -> str:
        """The attribute; else the first classifier that fits, unless one was named; else the document's default."""
        if found := _text(attributes.get(self.activity)):
            return found
        for keys in () if self.activity_is_named else self.classifiers:
            parts = [_text(attributes.get(key)) for key in keys if key not in (self.lifecycle, self.resource)]
            if parts and all(parts):
                self.oddities.add("activities named by a classifier")
                return "+".join(parts)
        return self._with_default(attributes, self.activity, "activities named by the default of the log")

    def _with_default(self, attributes: Mapping[str, Any], key: str, note: str = "") -> str:
        if found := _text(attributes.get(key)):
            return found
        default = _text(self.defaults["event"].get(key))
        if not default or is_placeholder(default):
            return ""
        if note:
            self.oddities.add(note)
        return default

    def _time(self, value: Any) -> datetime | None:
        if value is None or value == _NO_TIME:
            return None
        moment = self.read_time(_text(value))
        if moment is None:
            self.oddities.add("timestamps that cannot be read", _text(value))
        return moment

    def _attributes(self, element: Element) -> Attributes:
        """Attributes by key; one nested in another is named `outer.inner`."""
        found: Attributes = {}
        for child in element:
            if _local(child) in _VALUES:
                self._collect(child, "", found, 1)
        return found

    def _collect(self, element: Element, outer: str, found: Attributes, depth: int) -> None:
        if depth > _MOST_NESTED:
            raise LogError("log_malformed", f"Attributes are nested more than {_MOST_NESTED} levels deep.")
        if _local(element) == "values":  # of a XES 2.0 list
            for child in element:
                self._collect(child, outer, found, depth + 1)
            return
        prefix, colon, rest = element.get("key", "").partition(":")
        key = outer + (f"{self.aliases.get(prefix, prefix)}:{rest}" if colon else prefix)
        value = element.get("value")
        if value is not None and not (_local(element) == "float" and value.casefold() == "nan"):
            found.setdefault(key, value)
        for child in element:
            self._collect(child, f"{key}.", found, depth + 1)


def _local(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _text(value: Any) -> str:
    """A value as text, empty where there is only blank."""
    text = "" if value is None else str(value)
    return text if text.strip() else ""
