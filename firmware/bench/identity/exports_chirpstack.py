"""ChirpStack v4: it imports no file, so these are the calls of its API that make the devices, one JSON object a line.

`{"post": path, "body": …}` for chirpstack-rest-api; docs/bench.md has the loop around curl. Source: ChirpStack,
api/proto/api/device.proto (paths, names) and device_profile.proto: of a 1.0.x device the AppKey is `nwkKey`, and
`appKey` is for 1.1 only. MAC version and region stand in the device profile, which `profiles` makes. Pure.
"""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from firmware.bench.identity.exports import Leaving
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from schemas.models import Activation, Device

RX2_HZ = 869_525_000


def json_lines(leaving: Leaving, application: str, otaa_profile: str, abp_profile: str) -> str:
    """The ids are ChirpStack's (UUIDs); a profile may be empty where no device needs it. Raises WrongUse."""
    application = _uuid("--application", application)
    calls: list[dict[str, Any]] = []
    for devices, option, profile in (
        (leaving.otaa, "--profile", otaa_profile),
        (leaving.abp, "--abp-profile", abp_profile),
    ):
        profile_id = _uuid(option, profile) if devices else ""
        for device in devices:
            calls += _calls(device, leaving, application, profile_id)
    return _lines(calls)


def profiles(leaving: Leaving, tenant: str) -> str:
    """The calls that make the device profiles: one for OTAA, one for ABP, as far as there are such devices."""
    tenant = _uuid("--tenant", tenant)
    made = [_profile(tenant, kind) for kind, devices in _kinds(leaving) if devices]
    return _lines({"post": "/api/device-profiles", "body": {"deviceProfile": one}} for one in made)


def _kinds(leaving: Leaving) -> Iterable[tuple[Activation, list[Device]]]:
    return (Activation.OTAA, leaving.otaa), (Activation.ABP, leaving.abp)


def _profile(tenant: str, kind: Activation) -> dict[str, Any]:
    joins = kind is Activation.OTAA
    about = {
        "tenantId": tenant, "name": f"klimanetz {kind.value.upper()}", "region": "EU868", "macVersion": "LORAWAN_1_0_4",
        "regParamsRevision": "RP002_1_0_4", "adrAlgorithmId": "default", "supportsOtaa": joins,
        "flushQueueOnActivate": True, "uplinkInterval": 900,
    }  # fmt: skip
    return about if joins else {**about, "abpRx1Delay": 1, "abpRx1DrOffset": 0, "abpRx2Dr": 0, "abpRx2Freq": RX2_HZ}


def _calls(device: Device, leaving: Leaving, application: str, profile: str) -> list[dict[str, Any]]:
    eui = device.dev_eui
    about = {
        "devEui": eui, "name": device.device, "description": leaving.description(device), "applicationId": application,
        "deviceProfileId": profile, "skipFcntCheck": False, "isDisabled": False,
    }  # fmt: skip
    if device.join_eui:
        about["joinEui"] = device.join_eui
    create = {"post": "/api/devices", "body": {"device": about}}
    if device.activation is Activation.OTAA:
        keys = {"deviceKeys": {"devEui": eui, "nwkKey": device.app_key}}
        return [create, {"post": f"/api/devices/{eui}/keys", "body": keys}]
    nwk = device.nwk_skey
    session = {
        "devEui": eui, "devAddr": device.dev_addr, "appSKey": device.app_skey, "nwkSEncKey": nwk, "sNwkSIntKey": nwk,
        "fNwkSIntKey": nwk, "fCntUp": 0, "nFCntDown": 0, "aFCntDown": 0,
    }  # fmt: skip
    return [create, {"post": f"/api/devices/{eui}/activate", "body": {"deviceActivation": session}}]


def _lines(calls: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(call) + "\n" for call in calls)


def _uuid(option: str, text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise WrongUse(
            say(
                "%s needs an id of ChirpStack, like 52f14cd4-c6f1-4fbd-8f87-4025e1d49242, not '%s'",
                "%s braucht eine Kennung von ChirpStack, etwa 52f14cd4-c6f1-4fbd-8f87-4025e1d49242, nicht '%s'",
                option,
                text,
            )
        ) from None
