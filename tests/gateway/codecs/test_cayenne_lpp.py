import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.cayenne_lpp import BY_QUANTITY, CayenneLpp, records
from gateway.codecs.codec import CodecError, Decoded
from gateway.networks.mapping import map_object

LPP = CayenneLpp()
# ChirpStack's names of the types, and ours where they differ
THEIRS = {
    "generic": "genericSensor", "illuminance": "illuminanceSensor", "presence": "presenceSensor",
    "temperature": "temperatureSensor", "humidity": "humiditySensor", "colour": "color", "gps": "gpsLocation",
    "digital_input": "digitalInput", "digital_output": "digitalOutput", "analog_input": "analogInput",
    "analog_output": "analogOutput",
}  # fmt: skip


def decoded(text: str) -> Decoded:
    readings = LPP.decode(bytes.fromhex(text), 1)
    assert len(readings) == 1
    return readings[0]


@pytest.mark.shared
def test_every_type_as_chirpstack_reads_it(shared_data: Path) -> None:
    case = json.loads((shared_data / "lpp_senml" / "cayenne_lpp.json").read_text())["cases"][0]
    found: dict[str, dict[str, Any]] = {}
    for channel, lpp, value in records(bytes.fromhex(case["hex"])):
        found.setdefault(THEIRS.get(lpp.name, lpp.name), {})[str(channel)] = value
    assert found.keys() == case["expected"].keys()
    for name, by_channel in case["expected"].items():
        for channel, value in by_channel.items():
            assert found[name][channel] == pytest.approx(value, abs=1e-9), (name, channel)


@pytest.mark.shared
def test_nothing_of_it_is_dropped(shared_data: Path) -> None:
    case = json.loads((shared_data / "lpp_senml" / "cayenne_lpp.json").read_text())["cases"][0]
    reading = decoded(case["hex"])
    assert len(reading.values) + len(reading.unmapped) == len(case["records"])
    assert reading.values["air_temperature@ch3"] == 27.2
    assert reading.values["air_temperature@ch5"] == 25.5
    assert reading.values["co2@ch5"] == 65534.0
    assert reading.time_s is None  # two Unix times: neither is the reading's
    assert reading.unmapped["unix_time@ch3"] == 13.0


def test_the_two_examples_of_the_specification() -> None:
    assert decoded("03670110056700ff").values == {"air_temperature@ch3": 27.2, "air_temperature@ch5": 25.5}
    # the original carries 0.001 g a step: 01 71 04D2 FB2E 0000 is (1.234, -1.234, 0) g
    assert decoded("0167ffd7017104d2fb2e0000") == Decoded(
        values={"air_temperature": -4.1}, unmapped={"accelerometer@ch1": {"x": 1.234, "y": -1.234, "z": 0.0}}
    )


def test_one_unix_time_of_a_set_clock_is_the_readings() -> None:
    assert decoded("00856b0256400167001e") == Decoded(
        values={"air_temperature": 3.0}, time_s=0x6B025640, time_source="device"
    )
    early = decoded("008500000010" + "0167001e")
    assert early.time_s is None
    assert early.unmapped == {"unix_time@ch0": 16.0}


def test_the_same_record_twice_is_kept() -> None:
    reading = decoded("0167001e" * 4 + "010001" * 2)
    assert reading.values == {"air_temperature": 3.0}
    assert reading.unmapped.keys() == {
        "temperature@ch1", "temperature@ch1+", "temperature@ch1++", "digital_input@ch1", "digital_input@ch1+"
    }  # fmt: skip


def test_a_silent_probe_leaves_its_channel_empty() -> None:
    assert decoded("0167002202670030").values == {"air_temperature": 3.4, "air_temperature@ch2": 4.8}
    assert decoded("02670030").values == {"air_temperature@ch2": 4.8}
    assert decoded("01670022").values == {"air_temperature": 3.4}


@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from((0x67, 0x68))), min_size=1, max_size=20, unique=True))
def test_type_and_number_alone_name_the_channel(pairs: list[tuple[int, int]]) -> None:
    sizes = {0x67: 2, 0x68: 1}
    records = [bytes((number, kind)).ljust(2 + sizes[kind], b"\x01") for number, kind in pairs]
    alone = [channel for record in records for channel in decoded(record.hex()).values]
    assert list(decoded(b"".join(records).hex()).values) == alone
    assert len(set(alone)) == len(pairs)


@given(st.dictionaries(st.integers(0, 255), st.integers(-20, 40).map(float), min_size=1, max_size=20))
def test_a_network_s_decoder_gives_the_same_channels(probes: dict[int, float]) -> None:
    """The same device behind ChirpStack has the same series, whoever decodes it."""
    payload = b"".join(
        bytes((n, 0x67)) + int(value * 10).to_bytes(2, "big", signed=True) for n, value in probes.items()
    )
    theirs = {"temperatureSensor": {str(number): value for number, value in probes.items()}}
    assert decoded(payload.hex()).values == map_object(theirs).values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("03", "byte 0 is cut off"),
        ("0367", "byte 0 is cut off"),
        ("0367001e0567", "byte 4 is cut off"),
        ("0367001e0563ffff", "no type 99"),
    ],
)
def test_what_is_no_cayenne_lpp(text: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        LPP.decode(bytes.fromhex(text), 1)


@given(st.binary(max_size=60))
def test_no_bytes_crash_it(payload: bytes) -> None:
    try:
        reading = LPP.decode(payload, 1)[0]
    except CodecError:
        return
    assert len(reading.values) + len(reading.unmapped) + (reading.time_s is not None) == len(list(records(payload)))


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(sorted(BY_QUANTITY)), st.sampled_from(["", "@ch0", "@ch200"])).map("".join),
        st.integers(0, 200).map(lambda n: n / 2),
        min_size=1,
    ),
    st.none() | st.integers(1735689600, 2**32 - 1),
)
def test_round_trip(values: dict[str, float], time_s: int | None) -> None:
    values = {channel: float(int(value)) for channel, value in values.items()}
    reading = Decoded(values=values, time_s=time_s, time_source="none" if time_s is None else "device")
    assert LPP.decode(LPP.encode([reading]), 1) == [reading]


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ([], "one reading, not 0"),
        ([Decoded(values={"wind_speed": 1.0})], "no wind_speed"),
        ([Decoded(values={"co2@north": 1.0})], "no co2@north"),
        ([Decoded(values={"co2@ch256": 1.0})], "no co2@ch256"),
        ([Decoded(values={"co2@ch1": 1.0})], "no co2@ch1"),  # channel 1 is plain
        ([Decoded(values={"smell": 1.0})], "unknown quantity"),
        ([Decoded(values={"relative_humidity": 128.0})], "does not fit"),
        ([Decoded(values={"air_temperature": float("nan")})], "does not fit"),
        ([Decoded(values={"co2": 1.0}, unmapped={"switch@ch1": 1})], "our quantities only"),
    ],
)
def test_what_it_cannot_carry(readings: list[Decoded], reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        LPP.encode(readings)
