"""LoRaWAN sessions on their way to another network server, and back: a device moves without a new join. Pure.

Three forms, one JSON object a line: our own, ChirpStack v4's ActivateDeviceRequest, and The Things Stack's end device.
They count differently: ours and ChirpStack's are the next counter, The Things Stack's the last one.

Specification: ChirpStack v4 api/proto/api/device.proto, DeviceActivation; The Things Stack v3 api end_device.proto.
"""

from collections.abc import Callable
from typing import Any

from edge.lorawan.frames import addr_text
from edge.lorawan.session import Session

FIELDS = ("dev_addr", "nwk_skey", "app_skey", "fcnt_up", "fcnt_down")


def own(device: str, dev_eui: str, session: Session) -> dict[str, Any]:
    """What `read` takes."""
    return {"device": device, "dev_eui": dev_eui, **session.to_dict()}


def chirpstack(device: str, dev_eui: str, session: Session) -> dict[str, Any]:
    """For `api.DeviceService/Activate`."""
    nwk = session.nwk_skey.hex()
    return {
        "deviceActivation": {
            "devEui": dev_eui,
            "devAddr": addr_text(session.dev_addr),
            "appSKey": session.app_skey.hex(),
            "nwkSEncKey": nwk,
            "sNwkSIntKey": nwk,
            "fNwkSIntKey": nwk,
            "fCntUp": session.fcnt_up,
            "nFCntDown": session.fcnt_down,
            "aFCntDown": 0,
        }
    }


def things_stack(device: str, dev_eui: str, session: Session) -> dict[str, Any]:
    """For `ttn-lw-cli end-devices create` and the console's import."""
    counters = {"last_f_cnt_up": session.fcnt_up - 1, "last_n_f_cnt_down": session.fcnt_down - 1}
    return {
        "ids": {"device_id": device.lower().replace(".", "-").replace("_", "-"), "dev_eui": dev_eui.upper()},
        "lorawan_version": "MAC_V1_0_4",
        "lorawan_phy_version": "PHY_V1_0_3_REV_A",
        "frequency_plan_id": "EU_863_870",
        "supports_join": session.join_nonce > 0,
        "session": {
            "dev_addr": addr_text(session.dev_addr).upper(),
            "keys": {
                "app_s_key": {"key": session.app_skey.hex().upper()},
                "f_nwk_s_int_key": {"key": session.nwk_skey.hex().upper()},
            },
            **{name: value for name, value in counters.items() if value >= 0},
        },
    }


FORMS: dict[str, Callable[[str, str, Session], dict[str, Any]]] = {
    "klimanetz": own,
    "chirpstack": chirpstack,
    "things-stack": things_stack,
}


def read(row: dict[str, Any]) -> tuple[str, Session]:
    """(device, session) of one of our own rows. Raises ValueError, which says what is wrong."""
    missing = [name for name in ("device", *FIELDS) if name not in row]
    if missing:
        raise ValueError("it lacks %s" % ", ".join(missing))
    known = {name: value for name, value in row.items() if name in (*FIELDS, *_MORE)}
    for name in ("fcnt_up", "fcnt_down", *_MORE):
        if name in known and (not isinstance(known[name], int) or not 0 <= known[name] < 2**32):
            raise ValueError("%s is no counter" % name)
    try:
        session: Session = Session.from_dict(known)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError("address or keys are not hexadecimal: %s" % error) from None
    if len(session.nwk_skey) != 16 or len(session.app_skey) != 16:
        raise ValueError("a session key has 16 bytes")
    return str(row["device"]), session


_MORE = ("join_nonce", "dev_nonce", "rx1_dr_offset", "rx2_data_rate", "rx_delay")
