import pytest

from gateway.codecs.codec import CodecError, Decoded
from gateway.codecs.klimanetz import Klimanetz
from gateway.codecs.registry import OPEN, codec

READING = Decoded(
    values={"air_temperature": 3.42, "soil_moisture@30cm": 22.1},
    generation=1,
    seq=4711,
    time_s=1795342500,
    time_source="ntp",
    uncertainty_s=0.5,
    status=("reboot", "low_battery"),
)


def test_the_names_of_devices_csv() -> None:
    assert set(OPEN) == {"klimanetz", "cayenne-lpp", "senml"}
    assert all(codec(name).name == name for name in OPEN)


def test_an_unknown_name_says_what_is_allowed() -> None:
    with pytest.raises(CodecError, match=r"unknown codec 'x': allowed are klimanetz, cayenne-lpp, senml$"):
        codec("x")


def test_bought_devices_are_handed_in() -> None:
    bought = {"decentlab/dl-5tm": Klimanetz()}
    assert codec("decentlab/dl-5tm", bought) is bought["decentlab/dl-5tm"]
    with pytest.raises(CodecError, match=r"allowed are .*, decentlab/dl-5tm$"):
        codec("decentlab/dl-6tm", bought)


@pytest.mark.parametrize("port", [0, 1, 2])
def test_our_own_frames(port: int) -> None:
    ours = codec("klimanetz")
    assert ours.decode(ours.encode([READING]), port) == [READING]


def test_our_own_frames_come_on_their_ports_only() -> None:
    ours = codec("klimanetz")
    with pytest.raises(CodecError, match="on port 1 or 2, not on 3"):
        ours.decode(ours.encode([READING]), 3)
    with pytest.raises(CodecError, match="not a frame of the wire format: wire format version 7"):
        ours.decode(b"\xff" * 20, 1)


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ([], "no reading"),
        ([READING, READING], "reading 2 cannot follow"),
        ([Decoded(values={"smell": 1.0})], "unknown quantity"),
        ([Decoded(values={"co2": 1.0}, unmapped={"door": True})], "no door"),
    ],
)
def test_what_our_frames_cannot_carry(readings: list[Decoded], reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        codec("klimanetz").encode(readings)
