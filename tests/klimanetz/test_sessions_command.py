"""`klimanetz sessions`: a device moves to another network server and back, without a new join."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan.device import Device, Joined
from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.lorawan.dedup import Heard, Reception
from gateway.lorawan.downlinks import Downlinks
from gateway.lorawan.network import Network, Outcome
from gateway.lorawan.sessions import Sessions
from gateway.semtech.objects import Rx
from gateway.tell import Tell
from klimanetz.seal import Seal
from tests.gateway.helpers import APP_KEY, DEV_EUI, EUI, JOIN_EUI, Directory, on_air, otaa, payload

PROGRAM = Path(sys.executable).with_name("klimanetz")
SECRET = "a secret of some length"


class Server:
    """A network server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "stations.csv").write_text("station,name,latitude,longitude\nhalle,Halle,51.48,11.97\n")
        row = f"kn-0001,halle,otaa,{DEV_EUI},{JOIN_EUI},{APP_KEY}"
        (folder / "devices.csv").write_text(f"device,station,activation,dev_eui,join_eui,app_key\n{row}\n")
        for kind in ("stations", "devices"):
            assert self.cli(kind, "import", f"{kind}.csv").returncode == 0
        self.database = Database(folder / "data" / "spool")
        directory, downlinks = Directory(otaa()), Downlinks(self.database)
        faults = Faults(logging.getLogger(__name__), lambda: 0)
        tell = Tell(self.database, directory, downlinks, GatewayCounters(), faults)
        self.sessions = Sessions(self.database, Seal(SECRET))
        self.network = Network(directory, self.sessions, downlinks, tell)

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KLIMANETZ_")}
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=environment | {"KLIMANETZ_SECRET": SECRET},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def hear(self, phy: bytes) -> Any:
        rx = Rx(gateway=EUI, phy=phy, freq_hz=868_100_000, sf=9, bw_hz=125000, snr_db=4.0, tmst=1)
        return self.network.handle(Reception((Heard(rx, 1_795_000_000_000, 1),)))

    def join(self, device: Device) -> None:
        assert isinstance(device.on_join_accept(self.hear(device.join_request()).downlink.phy), Joined)


@pytest.fixture
def joined(tmp_path: Path) -> tuple[Server, Device]:
    server, device = Server(tmp_path / "first"), on_air()
    server.join(device)
    for seq in range(3):
        assert server.hear(device.uplink(payload(seq), 1)).outcome is Outcome.READINGS
    return server, device


def test_a_device_moves_and_comes_back(joined: tuple[Server, Device], tmp_path: Path) -> None:
    server, device = joined
    exported = server.cli("sessions", "export")
    other = Server(tmp_path / "other")
    assert other.hear(device.uplink(payload(9), 1)).outcome is Outcome.NOT_FOR_US
    (other.folder / "sessions.jsonl").write_text(exported.stdout)
    taken = other.cli("sessions", "import", "sessions.jsonl")
    assert (taken.returncode, taken.stdout) == (0, "1 sessions taken over\n")
    for seq in range(4, 8):
        assert other.hear(device.uplink(payload(seq), 1)).outcome is Outcome.READINGS
    (server.folder / "back.jsonl").write_text(other.cli("sessions", "export").stdout)
    assert server.cli("sessions", "import", "back.jsonl").returncode == 0
    assert server.hear(device.uplink(payload(8), 1)).outcome is Outcome.READINGS
    server.join(device)  # and the next join goes on from there
    assert server.hear(device.uplink(payload(9), 1)).outcome is Outcome.READINGS


def test_counters_never_go_back(joined: tuple[Server, Device]) -> None:
    server, device = joined
    (server.folder / "old.jsonl").write_text(server.cli("sessions", "export").stdout)
    server.hear(device.uplink(payload(4), 1))
    refused = server.cli("sessions", "import", "old.jsonl")
    assert refused.returncode == 2
    assert "line 1: the session of" in refused.stderr
    assert "is newer" in refused.stderr
    assert server.hear(device.uplink(payload(5), 1)).outcome is Outcome.READINGS


def test_the_forms_of_others_count_their_way(joined: tuple[Server, Device]) -> None:
    server, device = joined
    session = device.session
    assert session is not None
    chirpstack = json.loads(server.cli("sessions", "export", "--for", "chirpstack").stdout)["deviceActivation"]
    assert (chirpstack["devEui"], chirpstack["devAddr"]) == (DEV_EUI, f"{session.dev_addr:08x}")
    assert (chirpstack["fCntUp"], chirpstack["appSKey"]) == (3, session.app_skey.hex())
    assert chirpstack["nwkSEncKey"] == chirpstack["fNwkSIntKey"] == session.nwk_skey.hex()
    stack = json.loads(server.cli("sessions", "export", "--for", "things-stack", "--device", "kn-0001").stdout)
    assert stack["ids"] == {"device_id": "kn-0001", "dev_eui": DEV_EUI.upper()}
    assert stack["session"]["last_f_cnt_up"] == 2
    assert stack["session"]["keys"]["f_nwk_s_int_key"]["key"] == session.nwk_skey.hex().upper()


def test_a_list_shows_no_keys(joined: tuple[Server, Device]) -> None:
    server, device = joined
    assert device.session is not None
    (row,) = json.loads(server.cli("sessions", "list", "--json").stdout)
    assert (row["device"], row["fcnt_up"], row["activation"]) == ("kn-0001", 3, "otaa")
    assert device.session.nwk_skey.hex() not in server.cli("sessions", "list").stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json", "line 1 of bad.jsonl is no JSON object"),
        ("{}", "line 1: it lacks device, dev_addr"),
        ('{"device": "kn-9", "dev_addr": "01020304", "nwk_skey": "%s", "app_skey": "%s", "fcnt_up": 0, "fcnt_down": 0}'
         % ("00" * 16, "00" * 16), "line 1: 'kn-9' is not registered"),
        ('{"device": "kn-0001", "dev_addr": "x", "nwk_skey": "", "app_skey": "", "fcnt_up": 0, "fcnt_down": 0}',
         "line 1: address or keys are not hexadecimal"),
        ('{"device": "kn-0001", "dev_addr": "01020304", "nwk_skey": "", "app_skey": "", "fcnt_up": 0, "fcnt_down": 0}',
         "line 1: a session key has 16 bytes"),
        ('{"device": "kn-0001", "dev_addr": "01020304", "nwk_skey": "", "app_skey": "", "fcnt_up": -1, "fcnt_down": 0}',
         "line 1: fcnt_up is no counter"),
    ],
)  # fmt: skip
def test_a_bad_line_takes_nothing(joined: tuple[Server, Device], line: str, says: str) -> None:
    server, device = joined
    good = server.cli("sessions", "export").stdout.strip()
    (server.folder / "bad.jsonl").write_text(f"{line}\n{good}\n")
    refused = server.cli("sessions", "import", "bad.jsonl")
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert server.hear(device.uplink(payload(4), 1)).outcome is Outcome.READINGS


def test_without_a_gateway_it_says_where_it_looked(tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM, "sessions", "list"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there is no gateway's spool in" in done.stderr
