"""What the routes answer, as models for /openapi.json only.

The routes themselves write bytes (a series is streamed, and nothing is checked twice); tests/cloud/api/test_openapi.py
holds their answers to these models. More keys may come; those that are here stay, with these names.
"""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from cloud.calendar import EVERY

Time = Annotated[datetime, Field(description="RFC 3339 in UTC, with `Z`", examples=["2026-11-22T10:00:00Z"])]
StationName = Annotated[str, Field(description="Name of a station", examples=["marktplatz"])]
DeviceName = Annotated[str, Field(description="Name of a device", examples=["kn-0007"])]
ChannelName = Annotated[
    str, Field(description="A quantity, or quantity@place", examples=["air_temperature", "soil_moisture@30cm"])
]
Unit = Annotated[str, Field(description="Unit of the values, as people read it", examples=["°C", "µg/m³"])]
Count = Annotated[int, Field(ge=0)]
Letter = Annotated[
    Literal["V", "S", "C", "Z", "Q", "X", "G", "B"],
    Field(description="V verified, S screened, C coarse check only, Z not yet judged, Q questioned, X failed, "
          "G/B decided by a person as good or bad"),
]  # fmt: skip
Reasons = Annotated[list[str], Field(description="Why it was judged so", examples=[["range"]])]
Figure = Annotated[float | None, Field(description="In `unit`; null where nothing is known")]


StationPath = Annotated[str, Path(description="Name of a station", examples=["marktplatz"])]
ChannelPath = Annotated[str, Path(description="A quantity, or quantity@place", examples=["air_temperature"])]
DevicePath = Annotated[str, Path(description="Name of a device", examples=["kn-0007"])]
StrangerPath = Annotated[str, Path(description="As `/v1/unknown` calls it", examples=["kn-0013"])]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})] = (
        "about:blank"  # or urn:klimanetz:problem:<kind>
    )
    title: str
    status: int
    detail: Annotated[str, Field(description="What happened, and the way out, in the language asked for")]
    instance: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})] = ""


class IntervalRow(BaseModel):
    """One calendar interval; of the aggregates those that were asked for."""

    time: Annotated[Time, Field(description="Start of the interval")]
    mean: Figure = None
    min: Figure = None
    max: Figure = None
    sum: Figure = None
    difference: Figure = None
    first: Figure = None
    last: Figure = None
    count: Annotated[Count, Field(description="How many values it rests on")]
    flagged: Annotated[Count, Field(description="How many values were judged X or B")]


class ValueRow(BaseModel):
    """One value."""

    time: Time
    value: Annotated[float, Field(description="In `unit`")]
    quality: Letter
    quality_reasons: Reasons
    device: DeviceName


class Series(BaseModel):
    station: StationName
    channel: ChannelName
    unit: Unit
    every: Annotated[Literal[EVERY] | None, Field(description="Null where rows are single values")]  # type: ignore[valid-type]
    aggregates: list[Literal["mean", "min", "max", "sum", "difference", "first", "last"]]
    time_zone: Annotated[str, Field(description="Of `every` and of dates", examples=["Europe/Berlin"])]
    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to", description="Not included")]
    include: Literal["ok", "all"]
    derived_from: Annotated[ChannelName, Field(description="The running total that increments were told from")] = ""
    rows: Annotated[
        list[IntervalRow | ValueRow], Field(description="Intervals with `every`, else single values; by time")
    ]
    complete_until: Annotated[
        datetime | None,
        Field(description="Up to here nothing is expected to come any more", examples=["2026-11-22T09:59:59Z"]),
    ]


class StationRows(BaseModel):
    station: StationName
    rows: Annotated[list[IntervalRow], Field(description="By time")]
    complete_until: datetime | None


class ManySeries(BaseModel):
    channel: ChannelName
    unit: Unit
    every: Literal[EVERY]  # type: ignore[valid-type]
    aggregates: list[Literal["mean", "min", "max", "sum", "difference", "first", "last"]]
    time_zone: Annotated[str, Field(description="Of `every` and of dates", examples=["Europe/Berlin"])]
    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to", description="Not included")]
    include: Literal["ok", "all"]
    series: Annotated[list[StationRows], Field(description="One a station")]


class Gap(BaseModel):
    generation: Count
    first: Annotated[Count, Field(description="Sequence number, included")]
    last: Annotated[Count, Field(description="Sequence number, included")]
    count: Annotated[int, Field(ge=1)]
    stage: Annotated[str, Field(description="How far the readings came", examples=["upstream"])]


class Delivery(BaseModel):
    device: DeviceName
    received: Count
    duplicates: Count
    late: Count
    missing: Annotated[Count, Field(description="Sequence numbers between two that arrived")]
    gaps: list[Gap]
    stored: Annotated[
        list[tuple[Count, Count, Count]], Field(description="(generation, first, last) of what is stored for good")
    ]
    first: Annotated[datetime | None, Field(description="Time of the first reading")]
    last: Annotated[datetime | None, Field(description="Time of the newest reading")]


class DeadLetter(BaseModel):
    id: int
    received: Time
    topic: Annotated[str, Field(examples=["klimanetz/v1/up/kn-0007"])]
    device: Annotated[str | None, Field(description="Where the message tells")]
    reason: Annotated[str, Field(examples=["unknown-device"])]
    detail: str
    size: Annotated[Count, Field(description="Of the payload, bytes")]
    payload: Annotated[str, Field(description="Its beginning, where it is text")] = ""
    payload_hex: Annotated[str, Field(description="Its beginning in hexadecimal, where it is not")] = ""


class DeadLetters(BaseModel):
    dead_letters: list[DeadLetter]


class UnknownDevice(BaseModel):
    device: DeviceName
    messages: Annotated[int, Field(ge=1, description="How many wait")]
    first: Time
    last: Time
    last_letter: Annotated[int, Field(description="`id` of its newest dead letter")]


class Unknown(BaseModel):
    unknown: list[UnknownDevice]


class Replay(BaseModel):
    id: int
    replay: Literal["wanted"]


class Adoption(BaseModel):
    """Where the device stands; what it sent so far belongs there too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"station": "marktplatz"}]})
    station: StationName


class Adopted(BaseModel):
    device: DeviceName
    station: StationName


Cell = Annotated[str | None, Field(description="Null or an empty text clears")]
Metres = Annotated[float | str | None, Field(description="m")]


class StationRow(BaseModel):
    """The columns of stations.csv; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=200)]
    latitude: Annotated[float, Field(ge=-90, le=90, description="°, WGS 84")]
    longitude: Annotated[float, Field(ge=-180, le=180, description="°, WGS 84")]
    elevation_m: Metres = None
    height_m: Metres = None
    shield: Cell = None
    lcz: Cell = None
    district: Cell = None
    timezone: Annotated[str | None, Field(description="IANA name", examples=["Europe/Berlin"])] = None
    private: Annotated[bool, Field(description="Tell the place to about a kilometre only")] = False


class DeviceRow(BaseModel):
    """The columns of devices.csv; what is left out stays as it is, keys are only ever replaced."""

    model_config = ConfigDict(extra="forbid")
    station: Annotated[str | None, Field(description="Opens a deployment from now")] = None
    activation: Literal["otaa", "abp", "mqtt"] | None = None
    dev_eui: Cell = None
    join_eui: Cell = None
    app_key: Annotated[str | None, Field(description="Never shown", json_schema_extra={"writeOnly": True})] = None
    dev_addr: Cell = None
    nwk_skey: Annotated[str | None, Field(description="Never shown", json_schema_extra={"writeOnly": True})] = None
    app_skey: Annotated[str | None, Field(description="Never shown", json_schema_extra={"writeOnly": True})] = None
    codec: Annotated[str | None, Field(examples=["klimanetz", "decentlab/dl-5tm"])] = None


class DeploymentRow(BaseModel):
    """The columns of deployments.csv."""

    model_config = ConfigDict(extra="forbid")
    station: StationName
    device: DeviceName
    since: Annotated[str | None, Field(alias="from", description="RFC 3339, or a date: midnight at the station")] = None
    until: Annotated[str | None, Field(alias="to", description="Not included; without it: still there")] = None
    height_m: Metres = None
    note: Cell = None


class DeviceRowShown(BaseModel):
    device: DeviceName
    station: Annotated[str | None, Field(description="Where it stands now")]
    activation: Literal["otaa", "abp", "mqtt"]
    dev_eui: str | None
    join_eui: str | None
    dev_addr: str | None
    codec: str


class Deployments(BaseModel):
    deployments: list[DeploymentRow]


Secret = Annotated[str | None, Field(description="Hexadecimal; null where it is not known here")]


class StationRowShown(StationRow):
    """As its row of stations.csv."""

    station: StationName
    private: Annotated[Literal["yes", ""], Field(description="Tell the place to about a kilometre only")]  # type: ignore[assignment]


class DeviceRowWithKeys(DeviceRowShown):
    """As its row of devices.csv."""

    app_key: Secret
    nwk_skey: Secret
    app_skey: Secret


class WholeRegistry(BaseModel):
    stations: list[StationRowShown]
    devices: list[DeviceRowWithKeys]
    deployments: list[DeploymentRow]


class Registered(BaseModel):
    change: Annotated[Literal["added", "changed", "unchanged"], Field(description="What your row did")]
    row: Annotated[dict[str, object], Field(description="As it stands now, without keys")]
    gave_way: Annotated[list[str], Field(description="Assumed stays that the row shortened or removed")]


class Live(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ready"]
