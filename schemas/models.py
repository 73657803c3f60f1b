"""What travels between the parts, as pydantic models (CPython only).

These are the contract that JSON Schema and AsyncAPI are generated from. They check shape, not plausibility:
a value outside the physical range is a valid reading that `cloud` judges.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, PlainSerializer, Strict

from schemas.channels import ChannelError, is_name, split


def _channel(text: str) -> str:
    try:
        split(text)
    except ChannelError as error:
        raise ValueError(str(error)) from None
    return text


def _name(text: str) -> str:
    if not is_name(text):
        raise ValueError("1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first")
    return text


def utc_text(time: datetime) -> str:
    """RFC 3339 in UTC with `Z`; milliseconds only where there are any."""
    time = time.astimezone(UTC)
    return time.isoformat(timespec="milliseconds" if time.microsecond >= 1000 else "seconds").replace("+00:00", "Z")


def utc_text_ms(time_ms: int) -> str:
    """The same from milliseconds since 1970."""
    return utc_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms))


Channel = Annotated[str, AfterValidator(_channel)]
Name = Annotated[str, AfterValidator(_name)]
Time = Annotated[AwareDatetime, Strict(), PlainSerializer(utc_text, when_used="json")]
Count = Annotated[int, Strict(), Field(ge=0, lt=2**53)]
Value = Annotated[FiniteFloat, Strict()]
Eui = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
DevAddr = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
READINGS_MAX = 500  # in one message


class TimeSource(StrEnum):
    """Who set a reading's time. The order is the rank: of two times of one reading the earlier source's is kept."""

    GPS = "gps"
    LORAWAN = "lorawan"
    NTP = "ntp"
    NETWORK = "network"  # the LoRaWAN network server's clock at reception
    RTC = "rtc"
    DEVICE = "device"  # the device says so and not how it knows
    RECEIVER = "receiver"  # gateway or ingest, at reception

    @property
    def rank(self) -> int:
        """0 is best."""
        return _RANK[self]


_RANK = {source: rank for rank, source in enumerate(TimeSource)}


class Link(BaseModel):
    """How a reading came: the best reception, and who else heard it."""

    model_config = ConfigDict(extra="allow")
    via: str | None = None
    gateway: str | None = None
    gateways: list[str] | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None
    sf: int | None = Field(default=None, ge=5, le=12)
    frequency_hz: int | None = None
    fcnt: int | None = Field(default=None, ge=0, lt=2**32)
    fport: int | None = Field(default=None, ge=0, le=255)
    dev_addr: str | None = None


class Reading(BaseModel):
    """One reading of one device. Identity: (device, generation, seq, index), or (device, time) without `seq`."""

    model_config = ConfigDict(extra="ignore")
    device: Name
    generation: Annotated[
        Count | None, Field(description="Rises when the count of `seq` was lost; 0 where it is not said")
    ] = None
    seq: Annotated[
        Count | None, Field(description="Counts the readings of a device through sleep and reboot, for its whole life")
    ] = None
    index: Annotated[int, Strict(), Field(ge=0, lt=500)] = 0  # of several readings in one foreign frame
    time: Time | None = None
    time_source: TimeSource | None = None
    time_uncertainty_s: Annotated[FiniteFloat, Field(ge=0)] | None = None
    values: Annotated[dict[Channel, Value], Field(min_length=1, max_length=64)]
    status: list[str] | None = None  # flags of schemas.wire.STATUS_FLAGS
    link: Link | None = None


class Station(BaseModel):
    """A place that measures; what the public sees."""

    model_config = ConfigDict(extra="forbid")
    station: Name
    name: Annotated[str, Field(min_length=1, max_length=200)]
    latitude: Annotated[FiniteFloat, Field(ge=-90, le=90)]
    longitude: Annotated[FiniteFloat, Field(ge=-180, le=180)]
    elevation_m: Annotated[FiniteFloat, Field(ge=-500, le=9000)] | None = None
    height_m: Annotated[FiniteFloat, Field(ge=-200, le=1000)] | None = None  # sensor above ground
    shield: str | None = None
    lcz: str | None = None  # local climate zone (Stewart & Oke 2012)
    district: str | None = None
    timezone: str = "Europe/Berlin"
    private: bool = False


class Activation(StrEnum):
    """How a device joins: LoRaWAN over the air, LoRaWAN by personalisation, or MQTT."""

    OTAA = "otaa"
    ABP = "abp"
    MQTT = "mqtt"


class Device(BaseModel):
    """A piece of hardware. Keys never leave the service."""

    model_config = ConfigDict(extra="forbid")
    device: Name
    activation: Activation
    dev_eui: Eui | None = None
    join_eui: Eui | None = None
    app_key: Key | None = Field(default=None, repr=False)
    dev_addr: DevAddr | None = None
    nwk_skey: Key | None = Field(default=None, repr=False)
    app_skey: Key | None = Field(default=None, repr=False)
    codec: str = "klimanetz"


class Deployment(BaseModel):
    """A device at a station for a time: from inclusive, to exclusive."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    station: Name
    device: Name
    since: Time = Field(alias="from")
    until: Time | None = Field(default=None, alias="to")
    height_m: FiniteFloat | None = None
    note: str | None = None


Range = Annotated[tuple[Count, Count, Count], Field(description="[generation, first, last], both ends included")]


class Unread(BaseModel):
    """What a gateway heard and could not read: it keeps the payload, and reads it once the registry helps."""

    model_config = ConfigDict(extra="allow")
    device: Name
    reason: str
    registered: bool = True  # whether the registry knows the device
    time: Time | None = None
    fport: Annotated[int, Strict(), Field(ge=0, le=255)] | None = None
    payload_hex: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")] = ""
    link: Link | None = None


class Acknowledgement(BaseModel):
    """What the cloud has stored for good; whoever spools may forget it."""

    stored: list[Range]


class Command(BaseModel):
    """A command to a device on its `down` topic."""

    id: str
    command: Literal["resend", "configure", "status"]
    ranges: list[Range] | None = None
    configuration: dict[str, Any] | None = None


class LastError(BaseModel):
    """The newest error that a network reported of a device."""

    code: str
    text: str
    time: Time


class LastDownlink(BaseModel):
    """The newest event about a downlink to a device."""

    state: Literal["queued", "sent", "acknowledged", "not_acknowledged", "failed"]
    time: Time
    reference: str | None = None


class DeviceFault(BaseModel):
    """A sensor, or a part of the station ("" is the station itself), that is in trouble: schemas.wire_status.FAULTS."""

    sensor: str
    fault: str


class DeviceAnswer(BaseModel):
    """What one of our devices says to a command: `reference` names the command (docs/wire.md)."""

    reference: Annotated[int, Strict(), Field(ge=0, lt=2**16)]
    ok: bool
    detail: str = ""


class Status(BaseModel):
    """A device's or gateway's own state, retained; `online: false` is its last will.

    Of a LoRaWAN device it is what its network knows of it (docs/networks.md), and what one of our own says of itself
    (docs/wire.md, port 3), which devices on MQTT say under the same keys; any key but `online` may be missing.
    """

    model_config = ConfigDict(extra="allow")
    online: bool
    via: str | None = Field(default=None, description="Which network says so: chirpstack, things-stack, lorawan")
    time: Time | None = Field(default=None, description="Of the newest event that changed something")
    joined: Time | None = Field(default=None, description="The start of the LoRaWAN session")
    dev_addr: str | None = None
    battery_percent: Annotated[FiniteFloat, Field(ge=0, le=100)] | None = None
    external_power: bool | None = None
    margin_db: FiniteFloat | None = Field(default=None, description="Of the last status request, over what is needed")
    status_time: Time | None = Field(default=None, description="Of battery, power and margin")
    downlink_states: dict[str, Count] | None = Field(default=None, description="How many downlinks came how far")
    last_downlink: LastDownlink | None = None
    errors: dict[str, Count] | None = Field(default=None, description="How many by code")
    last_error: LastError | None = None
    reported: Time | None = Field(default=None, description="When the device said what follows, over LoRaWAN")
    firmware: str | None = None
    config: Annotated[int, Field(ge=0, lt=2**16)] | None = Field(
        default=None, description="Check sum of the configuration in use"
    )
    uptime_s: Count | None = None
    boots: Count | None = Field(default=None, description="Power-ups, ever")
    reset: str | None = Field(default=None, description="Why it started last: schemas.wire_status.RESETS")
    waiting: Count | None = Field(default=None, description="Readings in its outbox")
    forgotten: Count | None = Field(default=None, description="Readings that left it before they were stored, ever")
    free_heap: Count | None = None
    battery: FiniteFloat | None = Field(default=None, description="V")
    faults: list[DeviceFault] | None = None
    answer: DeviceAnswer | None = Field(default=None, description="To the newest command that it answered")
