"""Against two implementations of other people: they build and we open, we build and they open.

10,000 random data frames through our frame functions and 10,000 through our two roles, with each of them; joins beside.
"""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.device import Device, Downlink, Joined
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, session_keys
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.explain import explain
from tests import conftest, oracles
from tests.oracles import Ask

pytestmark = pytest.mark.timeout(oracles.INSTALL_TIMEOUT_S)  # the first time, they are installed

H = bytes.fromhex
FRAMES = 10_000
JOINS = 1_000
DATA_TYPES = ("UnconfirmedDataUp", "UnconfirmedDataDown", "ConfirmedDataUp", "ConfirmedDataDown")


@pytest.fixture(
    scope="module",
    params=[pytest.param("node", marks=pytest.mark.node), pytest.param("cargo", marks=pytest.mark.cargo)],
)
def ask(request: pytest.FixtureRequest) -> Ask:
    """One of the two oracles; skips, loudly, where its tools are not."""
    return oracles.found(request.param)


@pytest.mark.parametrize("broken", [False, True], ids=["not there", "cannot run"])
def test_a_machine_without_the_tools_skips_loudly(tmp_path: Path, broken: bool) -> None:
    """Also where rustup's `cargo` is on PATH and has no toolchain: it runs nothing."""
    if broken:
        for tool in ("node", "npm", "cargo"):
            (tmp_path / tool).write_text(f"#!/bin/sh\necho 'error: no {tool} was chosen' >&2\nexit 1\n")
            (tmp_path / tool).chmod(0o755)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "data_frames", __file__]
    done = subprocess.run(
        command, cwd=conftest.ROOT, env={"PATH": str(tmp_path), "HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout
    for tool in ("node", "cargo"):
        why = (
            f"it is on PATH and cannot run: error: no {tool} was chosen" if broken else "install it and put it on PATH"
        )
        assert f"SKIPPED what needs {tool}: {why}" in done.stdout


def random_commands(r: random.Random, direction: int) -> bytes:
    """Up to three commands with random fields and clear reserved bits."""
    rows = [row for row in mac.table() if row[1] == direction and row[0] != 0x12]  # BeaconTiming: gone since 1.0.3
    commands = b""
    for cid, _, name, size, _ in r.sample(rows, r.randint(0, 3)):
        (command,) = mac.parse(bytes((cid,)) + r.randbytes(size), direction)
        if len(commands) + 1 + size <= frames.FOPTS_MAX:
            commands += mac.build(name, **command.fields)
    return commands


def random_data(r: random.Random) -> dict[str, Any]:
    kind = r.choice(DATA_TYPES)
    up = kind.endswith("Up")
    fport = r.choice((None, 0, *[r.randint(1, 255)] * 4))
    picked = random_commands(r, UP if up else DOWN)
    payload = b"" if fport is None else picked if fport == 0 else r.randbytes(r.choice((0, 1, 15, 16, 17, 51, 200)))
    return {
        "type": kind,
        "dev_addr": f"{r.getrandbits(32):08x}",
        "fcnt": r.choice((0, 1, r.getrandbits(16), r.getrandbits(32))),
        "adr": r.random() < 0.5,
        "adr_ack_req": up and r.random() < 0.5,
        "ack": r.random() < 0.5,
        "f_pending": not up and r.random() < 0.5,
        "fport": fport,
        "fopts_hex": "" if fport == 0 else picked.hex(),
        "payload_hex": payload.hex(),
        "nwk_skey": r.randbytes(16).hex(),
        "app_skey": r.randbytes(16).hex(),
    }


def build(frame: dict[str, Any]) -> bytes:
    """The same frame from our own parts."""
    mtype, addr = frames.TYPE_NAMES.index(frame["type"]), frames.number(frame["dev_addr"])
    direction = UP if frames.is_uplink(mtype) else DOWN
    nwk, app = aes(H(frame["nwk_skey"])), aes(H(frame["app_skey"]))
    key = nwk if frame["fport"] == 0 else app
    payload = crypt_payload(key, direction, addr, frame["fcnt"], H(frame["payload_hex"]))
    flags = {name: frame[name] for name in ("adr", "adr_ack_req", "ack", "f_pending")}
    body = frames.build_data(mtype, addr, frame["fcnt"], H(frame["fopts_hex"]), frame["fport"], payload, **flags)
    return bytes(body + data_mic(nwk, direction, addr, frame["fcnt"], body))


def test_data_frames_both_ways(ask: Ask) -> None:
    r = random.Random(868)
    wanted = [random_data(r) for _ in range(FRAMES)]
    built = ask([{"op": "build_data", **frame} for frame in wanted])
    opened = ask([{"op": "open_data", **f, "phy_hex": build(f).hex()} for f in wanted])
    for frame, theirs, seen in zip(wanted, built, opened, strict=True):
        assert theirs == {"phy_hex": build(frame).hex()}, frame
        ours = explain(H(theirs["phy_hex"]), H(frame["nwk_skey"]), H(frame["app_skey"]), fcnt_high=frame["fcnt"] >> 16)
        for name in ("type", "dev_addr", "fcnt", "adr", "ack", "fport", "fopts_hex", "payload_hex"):
            assert ours[name] == frame[name] == seen[name], (name, frame, seen)
        assert ours["mic_ok"] is True
        assert seen["mic_ok"] is True
        if "mac_commands" in seen:
            names = [c["name"].lower() for c in ours["mac_commands"]]
            assert [name.lower() for name in seen["mac_commands"]] == names, frame


def device_uplink(r: random.Random) -> tuple[dict[str, Any], bytes, Session]:
    """A frame of the device role, what must be in it, and the session as the network has it before."""
    addr, nwk, app, fcnt = r.getrandbits(32), r.randbytes(16), r.randbytes(16), r.choice((0, r.getrandbits(32)))
    device = Device.abp(aes, addr, nwk, app)
    device.link.dr = 5
    device.session = session = Session(addr, nwk, app, fcnt_up=fcnt)
    asked = r.sample(("LinkCheckReq", "DeviceTimeReq"), r.randint(0, 2))
    for name in asked:
        device.request(name)
    fport = r.choice((None, *[r.randint(1, 224)] * 4))
    payload = b"" if fport is None else r.randbytes(r.choice((0, 1, 16, 24, 51, 200)))
    confirmed = r.random() < 0.5
    frame = {
        "type": "ConfirmedDataUp" if confirmed else "UnconfirmedDataUp", "dev_addr": f"{addr:08x}", "fcnt": fcnt,
        "adr": True, "ack": False, "fport": fport, "fopts_hex": b"".join(mac.build(name) for name in asked).hex(),
        "payload_hex": payload.hex(), "nwk_skey": nwk.hex(), "app_skey": app.hex(),
    }  # fmt: skip
    return frame, device.uplink(payload, fport, confirmed), session


def network_downlink(r: random.Random) -> tuple[dict[str, Any], bytes, Device]:
    """A frame of the network role, what must be in it, and the device that waits for it."""
    addr, nwk, app, fcnt = r.getrandbits(32), r.randbytes(16), r.randbytes(16), r.choice((0, r.getrandbits(32)))
    session = Session(addr, nwk, app, fcnt_down=fcnt)
    device = Device.abp(aes, addr, nwk, app)
    device.session = session
    fport = r.choice((None, 0, *[r.randint(1, 255)] * 4))
    commands = random_commands(r, DOWN)
    payload = b"" if fport is None else commands if fport == 0 else r.randbytes(r.choice((0, 1, 16, 24, 51, 200)))
    named = {"ack": r.random() < 0.5, "adr": r.random() < 0.5, "f_pending": r.random() < 0.5}
    confirmed, fopts = r.random() < 0.5, b"" if fport == 0 else commands
    phy, _ = server.downlink(aes, session, payload, fport, confirmed=confirmed, fopts=fopts, **named)
    frame = {
        "type": "ConfirmedDataDown" if confirmed else "UnconfirmedDataDown", "dev_addr": f"{addr:08x}", "fcnt": fcnt,
        "fport": fport, "fopts_hex": fopts.hex(), "payload_hex": payload.hex(), "nwk_skey": nwk.hex(),
        "app_skey": app.hex(), **named,
    }  # fmt: skip
    return frame, phy, device


SEEN = ("type", "dev_addr", "fcnt", "adr", "ack", "fport", "fopts_hex", "payload_hex")


def both_ways(ask: Ask, sent: list[tuple[dict[str, Any], bytes, Any]]) -> list[bytes]:
    """They verify and decrypt what we have built; what they build of the same values."""
    opened = ask([{"op": "open_data", **frame, "phy_hex": phy.hex()} for frame, phy, _ in sent])
    for (frame, _, _), seen in zip(sent, opened, strict=True):
        assert seen["mic_ok"] is True, frame
        assert {name: seen[name] for name in SEEN} == {name: frame[name] for name in SEEN}
    return [H(answer["phy_hex"]) for answer in ask([{"op": "build_data", **frame} for frame, _, _ in sent])]


def test_the_device_role_against_others_networks(ask: Ask) -> None:
    r = random.Random(872)
    sent = [device_uplink(r) for _ in range(FRAMES // 2)]
    for (frame, phy, session), theirs in zip(sent, both_ways(ask, sent), strict=True):
        assert theirs == phy, frame
        result = server.open_uplink(aes, session, frames.parse(theirs))
        assert isinstance(result, server.Uplink), frame
        assert (result.payload.hex(), result.fport, result.fcnt) == tuple(
            frame[name] for name in ("payload_hex", "fport", "fcnt")
        )


def test_the_network_role_against_others_devices(ask: Ask) -> None:
    r = random.Random(873)
    sent = [network_downlink(r) for _ in range(FRAMES // 2)]
    for (frame, phy, device), theirs in zip(sent, both_ways(ask, sent), strict=True):
        assert theirs == phy, frame
        heard = device.on_downlink(theirs)
        assert isinstance(heard, Downlink), frame
        assert (heard.payload.hex(), heard.fport, heard.fcnt, heard.f_pending) == tuple(
            frame[name] for name in ("payload_hex", "fport", "fcnt", "f_pending")
        )


def test_join_requests_both_ways(ask: Ask) -> None:
    r = random.Random(870)
    wanted = [
        {
            "join_eui": f"{r.getrandbits(64):016x}",
            "dev_eui": f"{r.getrandbits(64):016x}",
            "dev_nonce": r.getrandbits(16),
            "app_key": r.randbytes(16).hex(),
        }
        for _ in range(JOINS)
    ]
    phys = []
    for w in wanted:
        device = Device(aes, frames.number(w["join_eui"]), frames.number(w["dev_eui"]), H(w["app_key"]))
        device.dev_nonce = w["dev_nonce"]
        phys.append(device.join_request().hex())
    assert [a.get("phy_hex") for a in ask([{"op": "build_join_request", **w} for w in wanted])] == phys
    seen = ask(
        [{"op": "open_join_request", "phy_hex": p, "app_key": w["app_key"]} for p, w in zip(phys, wanted, strict=True)]
    )
    for want, answer in zip(wanted, seen, strict=True):
        assert answer["mic_ok"] is True
        assert all(answer[name] == want[name] for name in ("join_eui", "dev_eui", "dev_nonce"))


def test_join_accepts_and_keys_both_ways(ask: Ask) -> None:
    r = random.Random(871)
    wanted = [
        {
            "join_nonce": r.getrandbits(24),
            "net_id": f"{r.getrandbits(24):06x}",
            "dev_addr": f"{r.getrandbits(32):08x}",
            "rx1_dr_offset": r.randint(0, 5),
            "rx2_data_rate": r.randint(0, 7),
            "rx_delay": r.randint(0, 15),
            "cf_list_hex": r.choice(("", eu868.build_cf_list([867100000 + 200000 * i for i in range(5)]).hex())),
            "app_key": r.randbytes(16).hex(),
            "dev_nonce": r.getrandbits(16),
        }
        for _ in range(JOINS)
    ]
    theirs = ask([{"op": "build_join_accept", **w} for w in wanted])
    keys = ask([{"op": "session_keys", **w} for w in wanted])
    phys = []
    for want, built, derived in zip(wanted, theirs, keys, strict=True):
        app_key, addr = H(want["app_key"]), frames.number(want["dev_addr"])
        device = Device(aes, 1, 2, app_key)
        device.dev_nonce = want["dev_nonce"]
        request = frames.parse(device.join_request())
        answer = server.accept_join(
            aes, request, app_key, want["join_nonce"], int(want["net_id"], 16), addr,
            rx1_dr_offset=want["rx1_dr_offset"], rx2_data_rate=want["rx2_data_rate"], rx_delay=want["rx_delay"],
            cf_list=H(want["cf_list_hex"]),
        )  # fmt: skip
        phys.append(answer.phy.hex())
        assert built == {"phy_hex": answer.phy.hex()}
        assert device.on_join_accept(H(built["phy_hex"])) == Joined(addr)
        ours = {"nwk_skey": device.session.nwk_skey.hex(), "app_skey": device.session.app_skey.hex()}
        assert ours == derived
        app = aes(app_key)
        assert session_keys(app, want["join_nonce"], int(want["net_id"], 16), want["dev_nonce"]) == (
            device.session.nwk_skey, device.session.app_skey,
        )  # fmt: skip
    seen = ask(
        [{"op": "open_join_accept", "phy_hex": p, "app_key": w["app_key"]} for p, w in zip(phys, wanted, strict=True)]
    )
    for want, answer in zip(wanted, seen, strict=True):
        assert answer.pop("mic_ok") is True
        assert answer.pop("type") == "JoinAccept"
        assert answer == {name: want[name] for name in answer}
