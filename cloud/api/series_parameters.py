"""What the routes of time series ask for alike: each parameter with its description, its schema and its example."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import WithJsonSchema

from cloud.calendar import EVERY
from cloud.series import AGGREGATES

_AGG = """One or more, separated by commas, together with `every`; without it, the quantity's own. What is measured
has `mean`, `min`, `max`, `first`, `last`; wind direction `mean` (on the circle), `first`, `last`; precipitation `sum`
(its own) and those of measured quantities; running totals `difference` (their own), `min`, `max`, `first`, `last`."""
_TZ = """A time zone of the IANA list by its name, like `Europe/Berlin` or `UTC`: for borders of `every`, for dates
without a time, and for `local_time` in `profile=de`. Without it, the station's own."""
_EVERY = "Length of an interval by the calendar of the time zone; without it, single values"
_INCLUDE = "Values judged X or B: `ok` leaves them out (the default with `every`), `all` takes them in (without)"
_FORMAT = "`json` where nothing is said; `csv` with `profile=de`"
_OF_AGGREGATES = f"^({'|'.join(AGGREGATES)})(, ?({'|'.join(AGGREGATES)}))*$"
# How texts are described whose check names the way out better than a schema could.
_TEXT = WithJsonSchema({"type": "string", "examples": ["UTC"]})
_EVERY_SCHEMA = WithJsonSchema({"type": "string", "enum": list(EVERY), "examples": ["PT1H"]})
_AGG_SCHEMA = WithJsonSchema({"type": "string", "pattern": _OF_AGGREGATES, "examples": ["mean,min,max"]})

Start = Annotated[str | None, Query(alias="from", description="RFC 3339 or a date", examples=["2026-11-21"])]
End = Annotated[str | None, Query(alias="to", description="RFC 3339 or a date; not included", examples=["2026-11-23"])]
Every = Annotated[str, _EVERY_SCHEMA, Query(description=_EVERY)]
EveryOrNot = Annotated[str | None, _EVERY_SCHEMA, Query(description=_EVERY)]
Aggregates = Annotated[str | None, _AGG_SCHEMA, Query(description=_AGG)]
Zone = Annotated[str | None, _TEXT, Query(description=_TZ)]
Included = Annotated[Literal["ok", "all"] | None, Query(description=_INCLUDE, examples=["all"])]
Format = Annotated[Literal["json", "csv"] | None, Query(alias="format", description=_FORMAT, examples=["json"])]
