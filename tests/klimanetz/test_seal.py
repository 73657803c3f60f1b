"""Keys at rest: what is stored says nothing, and opens only for whom it was sealed."""

import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.registry import exports, imports
from cloud.registry.registry import open_registry
from cloud.registry.sealing import HIDDEN
from edge.lorawan.control import Control
from edge.lorawan.session import Session
from gateway.database import Database
from gateway.lorawan.sessions import Sessions
from klimanetz import seal
from klimanetz.failure import Failure
from klimanetz.seal import Seal

NWK, APP = "11223344556677889900aabbccddeeff", "ffeeddccbbaa00998877665544332211"


@given(st.text(), st.text())
def test_what_is_sealed_opens_again(text: str, about: str) -> None:
    one = Seal("a secret of some length")
    sealed = one.seal(text, about)
    assert sealed.startswith(seal.PREFIX)
    assert one.open(sealed, about) == text
    assert one.seal(text, about) != sealed, "never twice the same"


def test_it_opens_for_nobody_else() -> None:
    sealed = Seal("a secret of some length").seal(NWK, "kn-0001")
    with pytest.raises(Failure, match="sealed with another secret: set KLIMANETZ_SECRET"):
        Seal("another secret of some length").open(sealed, "kn-0001")
    with pytest.raises(Failure, match="the keys of kn-0002"):
        Seal("a secret of some length").open(sealed, "kn-0002")
    assert Seal("any").open(NWK, "kn-0001") == NWK, "from a time before there was a seal"


def test_the_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    registry = f"sqlite:///{tmp_path / 'data' / 'registry.db'}"
    seals: list[Seal] = []
    threads = [threading.Thread(target=lambda: seals.append(seal.of(None, registry))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = (tmp_path / "data").iterdir()
    assert path.name == "registry.db.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sealed = seals[0].seal(NWK, "x")
    assert [one.open(sealed, "x") for one in seals] == [NWK] * 8
    with pytest.raises(Failure, match="KLIMANETZ_SECRET is not set"):
        seal.of(None, "postgresql://host/name")


def test_no_session_key_lies_open(tmp_path: Path) -> None:
    database = Database(tmp_path)
    one = Session(0x01020304, bytes.fromhex(NWK), bytes.fromhex(APP), fcnt_up=7, join_nonce=3)
    Sessions(database, Seal("a secret of some length")).save("kn-1", one, Control(), b"mic!")
    database.close()
    for path in tmp_path.iterdir():
        for key in (NWK, APP):
            assert key.encode() not in path.read_bytes()
            assert bytes.fromhex(key) not in path.read_bytes()
    again = Database(tmp_path)
    assert Sessions(again, Seal("a secret of some length")).get("kn-1", 3) == one
    with pytest.raises(Failure, match="another secret"):
        Sessions(again, Seal("another secret of some length")).get("kn-1", 3)
    again.close()


def test_no_device_key_lies_open(tmp_path: Path) -> None:
    url, one = f"sqlite:///{tmp_path / 'registry.db'}", Seal("a secret of some length")
    registry = open_registry(url, lambda: 0, seal=one)
    imports.import_stations(registry, b"station,name,latitude,longitude\nhalle,Halle,51.48,11.97\n")
    header = "device,station,activation,dev_eui,join_eui,app_key,dev_addr,nwk_skey,app_skey\n"
    data = (
        f"{header}kn-1,halle,otaa,70b3d57ed0000001,0000000000000001,{NWK},,,\nkn-2,halle,abp,,,,01020304,{NWK},{APP}\n"
    )
    assert imports.import_devices(registry, data.encode()).added == 2
    assert imports.import_devices(registry, data.encode()).unchanged == 2, "the same keys, however they are sealed"
    for path in tmp_path.iterdir():
        assert NWK.encode() not in path.read_bytes()
    assert registry.by_name("kn-1").app_key == NWK  # type: ignore[union-attr]
    assert registry.by_dev_addr("01020304")[0].app_skey == APP
    assert exports.devices_csv(registry, True).count(NWK) == 2
    for_answers = open_registry(url, lambda: 0, seal=HIDDEN)
    assert for_answers.by_name("kn-1").app_key is None  # type: ignore[union-attr]
    assert for_answers.by_dev_addr("01020304")[0].nwk_skey is None
    with pytest.raises(Failure, match="another secret"):
        open_registry(url, lambda: 0, seal=Seal("another secret of some length")).by_name("kn-1")


def test_keys_of_before_are_read_and_sealed_when_they_are_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    plain = open_registry(url, lambda: 0)
    row = b"device,dev_eui,join_eui,app_key,codec\nkn-1,70b3d57ed0000001,0000000000000001,%s,%s\n"
    imports.import_devices(plain, row % (NWK.encode(), b"klimanetz"))
    now = open_registry(url, lambda: 0, seal=Seal("a secret of some length"))
    assert now.by_name("kn-1").app_key == NWK  # type: ignore[union-attr]
    imports.import_devices(now, row % (NWK.encode(), b"senml"))
    stored = sqlite3.connect(tmp_path / "registry.db").execute("SELECT app_key FROM device").fetchone()[0]
    assert stored.startswith(seal.PREFIX)
