"""A message that is not readings through and through: save what can be saved, name what cannot. Pure.

Of an item the values and accessories that cannot be used are left out, and the rest is a reading. What is refused is
kept in its own words, and acknowledged where its count can be read: else it would be sent for ever (decision 4).
"""

import json
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from cloud.ingest.json_items import NotJson, Object, clean, dumped, items, parsed
from cloud.ingest.refusal import Decoded, Names, Refusal
from schemas.models import READINGS_MAX, Reading

ACCESSORIES = ("time_source", "time_uncertainty_s", "status", "link")  # a measurement is one without them
_READING = TypeAdapter(Reading)
Problem = tuple[tuple[str | int, ...], str]  # where, what


def salvage(device: str, payload: bytes, names: Names) -> Decoded:
    """Readings and refusals of a JSON message whose topic names `device`."""
    try:
        found = items(payload)
    except NotJson as error:
        return Decoded(refusals=[Refusal("not-json", f"not JSON: {error}", payload, device)])
    if len(found) > READINGS_MAX:
        detail = f"{len(found)} readings; a message has at most {READINGS_MAX}"
        return Decoded(refusals=[Refusal("too-many", detail, payload, device)])
    if not found:
        return Decoded(refusals=[Refusal("not-a-reading", "an empty array", payload, device)])
    decoded = Decoded()
    for text, depth in found:
        if (refusal := _one(device, text, depth, names, decoded)) is not None:
            decoded.refusals.append(refusal)
    if len(found) > 1 and not decoded.readings:  # one letter will do
        first = decoded.refusals[0]
        detail = f"none of {len(found)} items is a reading; the first: {first.detail}"
        decoded.refusals = [Refusal(first.reason, detail, payload, device)]
    return decoded


def _one(device: str, text: str, depth: int, names: Names, decoded: Decoded) -> Refusal | None:
    """Why an item, or a part of it, is none; what is a reading goes to `decoded`."""
    try:
        item = parsed(text, depth)
    except NotJson as error:
        return Refusal("not-json", f"not JSON: {error}", text.encode(), device)
    if not isinstance(item, Object):
        return Refusal("not-a-reading", "a reading is a JSON object", text.encode(), device)
    named = item.get("device", device)
    if not isinstance(named, str) or names(named) != device:
        detail = f"the topic names '{device}', the payload '{named}'"
        return Refusal("device-mismatch", detail, text.encode(), device)
    reading, problems = _checked(item)
    if reading is not None and not problems:
        decoded.readings.append(reading)
        return None
    detail = "; ".join(f"{'.'.join(map(str, where))}: {what}" for where, what in problems)
    fatal = any(where[0] not in ACCESSORIES and not _is_value(where) for where, _ in problems)
    rest = None if fatal else _without(item, problems)
    reading = _checked(rest)[0] if rest is not None else None
    if rest is None or reading is None:
        if (count := _count(item)) is not None:
            decoded.owed.append((device, *count))
        return Refusal("not-a-reading" if fatal else "bad-value", detail, text.encode(), device)
    decoded.readings.append(reading)
    reason = "bad-value" if any(_is_value(where) for where, _ in problems) else "bad-field"
    return Refusal(reason, detail, _left_out(item, rest), device)


def _checked(item: Object) -> tuple[Reading | None, list[Problem]]:
    """The reading, if it is one, and all that is wrong: what is there twice leaves open which is meant."""
    values = item.get("values")
    where: list[tuple[str, ...]] = [(key,) for key in dict(item.doubled) if key in Reading.model_fields]
    if isinstance(values, Object):
        where += [("values", clean(channel)) for channel in dict(values.doubled)]
    problems: list[Problem] = [(place, "is there twice") for place in where]
    try:
        return _READING.validate_json(clean(json.dumps(item, ensure_ascii=False))), problems
    except ValidationError as error:
        for e in error.errors(include_url=False):
            place = tuple(x for x in e["loc"] if x != "[key]") or ("reading",)
            problems.append((place, e["msg"].removeprefix("Value error, ")))
        return None, problems


def _is_value(where: tuple[str | int, ...]) -> bool:
    return where[0] == "values" and len(where) > 1


def _without(item: Object, problems: Sequence[Problem]) -> Object | None:
    """The item without the values and accessories that are wrong; None where no value is left."""
    bad = {where[:2] for where, _ in problems}
    rest: list[tuple[str, object]] = []
    for key, inner in item.items():
        if key in ("values", "link") and isinstance(inner, Object) and (key,) not in bad:
            inner = Object([(name, value) for name, value in inner.items() if (key, clean(name)) not in bad])
        elif any(where[0] == key for where in bad):
            continue
        rest.append((key, inner))
    without = Object(rest)
    return without if without.get("values") else None


def _left_out(item: Object, rest: Object) -> bytes:
    """What a reading was made without, under the same identity; of values that were left out all that came."""
    values, good = item["values"], rest["values"]
    assert isinstance(values, Object)
    assert isinstance(good, Object)
    head = dumped({key: value for key, value in item.items() if key != "values"})
    doubled = dict(values.doubled)
    bad = [(c, v) for c, v in values.items() if c not in good and c not in doubled] + values.doubled
    if not bad:
        return head
    pairs = b", ".join(dumped(channel) + b": " + dumped(value) for channel, value in bad)
    return head[:-1] + b', "values": {' + pairs + b"}}"  # `device` is in the head, else it were no reading


def _count(item: Object) -> tuple[int, int] | None:
    """Generation and seq, where they can be read."""
    generation, seq = item.get("generation"), item.get("seq")
    generation = 0 if generation is None else generation
    if {"generation", "seq"} & set(dict(item.doubled)):
        return None
    if type(generation) is int and type(seq) is int and 0 <= generation < 2**53 and 0 <= seq < 2**53:
        return generation, seq
    return None
