"""Devices on their way into another network server: who can go there, and what every form needs to know. Pure.

The rule: a form gets the keys that it has a place for and no others, and nothing is written while one device cannot
go: each of them is named. Devices on MQTT belong to no such server and are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from schemas.models import Activation, Device


class CannotExport(WrongUse):
    """Nothing was written. `faults`: one sentence a device."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(
            say("nothing was written: %s", "nichts wurde geschrieben: %s", "; ".join(faults)),
        )
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Devices by how they join, and those on MQTT. `stations`: where each stands, for its description."""

    otaa: list[Device] = field(default_factory=list)
    abp: list[Device] = field(default_factory=list)
    left_out: list[Device] = field(default_factory=list)
    stations: dict[str, str] = field(default_factory=dict)

    def description(self, device: Device) -> str:
        """What a person reads at the other server."""
        station = self.stations.get(device.device)
        return f"klimanetz, {station}" if station else "klimanetz"


def leaving(devices: Iterable[tuple[Device, str | None]]) -> Leaving:
    """`devices`: each with the station where it stands. Raises CannotExport."""
    out, faults = Leaving(), []
    for device, station in devices:
        if station:
            out.stations[device.device] = station
        if device.activation is Activation.MQTT:
            out.left_out.append(device)
            continue
        needed = ("app_key",) if device.activation is Activation.OTAA else ("dev_addr", "nwk_skey", "app_skey")
        lacks = [name for name in ("dev_eui", *needed) if not getattr(device, name)]
        if lacks:
            faults.append(say("%s lacks %s", "%s fehlt %s", device.device, ", ".join(lacks)))
        (out.otaa if device.activation is Activation.OTAA else out.abp).append(device)
    if not faults and not out.otaa and not out.abp:
        faults.append(say("there is no LoRaWAN device among them", "darunter ist kein LoRaWAN-Gerät"))
    if faults:
        raise CannotExport(faults)
    return out
