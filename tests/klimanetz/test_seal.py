"""Keys at rest: what is stored says nothing, and opens only for whom it was sealed."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
