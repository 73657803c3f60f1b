import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.codec import CodecError, Decoded
from gateway.codecs.senml import UNITS, SenMl
from schemas.quantities import QUANTITIES

SENML = SenMl()
T = 1795342500


def decoded(*pack: dict[str, Any]) -> list[Decoded]:
    return SENML.decode(json.dumps(pack).encode(), 1)


def test_base_values_and_times_make_readings_newest_first() -> None:
    """After the example of RFC 8428, section 5.1.3: base name, time, unit and version, relative times in the pack."""
    readings = decoded(
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": T, "bu": "Cel", "bver": 5, "n": "temperature", "v": 3.42},
        {"n": "humidity", "u": "%RH", "v": 81.5},
        {"n": "temperature", "t": -900, "v": 3.61},
        {"n": "soil_moisture/30cm", "u": "%", "t": -900, "v": 22.1},
    )
    assert readings == [
        Decoded(values={"air_temperature": 3.42, "relative_humidity": 81.5}, time_s=T, time_source="device"),
        Decoded(values={"air_temperature": 3.61, "soil_moisture@30cm": 22.1}, time_s=T - 900, time_source="device"),
    ]


def test_the_example_of_section_5_1_1() -> None:
    pack = b'[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
    reading = SENML.decode(pack, 1)[0]
    assert reading.values == {}
    assert reading.unmapped == {"urn:dev:ow:10e2073a01080063": {"value": 23.1, "unit": "Cel"}}


def test_times_relative_to_now_are_ages() -> None:
    readings = decoded({"n": "co2", "v": 1}, {"n": "co2", "t": -60, "v": 2}, {"n": "co2", "t": T, "v": 3})
    assert [(r.time_s, r.age_s, r.values["co2"]) for r in readings] == [(None, None, 1), (None, 60, 2), (T, None, 3)]


@pytest.mark.parametrize(
    ("record", "values"),
    [
        ({"n": "temperature", "u": "K", "v": 276.57}, {"air_temperature": 3.42}),
        ({"n": "air_pressure", "u": "Pa", "v": 100980}, {"air_pressure": 1009.8}),
        ({"n": "voltage", "u": "mV", "v": 3910}, {"battery": 3.91}),
        ({"n": "humidity", "u": "/", "v": 0.815}, {"relative_humidity": 81.5}),
        ({"n": "wind_speed", "u": "km/h", "v": 36}, {"wind_speed": 10}),
        ({"n": "energy_total", "u": "J", "v": 7200000}, {"energy_total": 2}),
        ({"n": "roof/temperature", "u": "Cel", "v": 1.5}, {"air_temperature@roof": 1.5}),
        ({"n": "uv_index", "v": 3}, {"uv_index": 3}),
        ({"bn": "co2", "v": 417}, {"co2": 417}),
        ({"bn": "x/", "bv": 400, "n": "co2", "u": "ppm", "v": 17}, {"co2": 417}),
    ],
)
def test_units_and_names(record: dict[str, Any], values: dict[str, float]) -> None:
    assert decoded(record)[0].values == values
    assert decoded(record)[0].unmapped == {}


@pytest.mark.parametrize(
    "record",
    [
        {"n": "temperature", "v": 3.42},  # of what, in what
        {"n": "air_temperature", "u": "Pa", "v": 3.42},
        {"n": "door", "vb": True},
        {"n": "co2", "vb": True},
        {"n": "co2", "vs": "417"},
        {"n": "energy_total", "s": 12.5},
        {"n": "co2/a b", "v": 1},
    ],
)
def test_what_we_cannot_name_is_unmapped(record: dict[str, Any]) -> None:
    reading = decoded(record)[0]
    assert reading.values == {}
    assert list(reading.unmapped) == [record["n"]]


def test_the_same_record_twice_is_kept() -> None:
    reading = decoded(*[{"n": "co2", "v": v} for v in (1, 2, 3)])[0]
    assert (reading.values, reading.unmapped) == ({"co2": 1}, {"co2": 2, "co2+": 3})


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not a SenML pack"),
        (b"\xff\xfe", "not a SenML pack"),
        (b"[" * 100_000, "not a SenML pack"),
        (b"{}", "JSON array"),
        (b"[]", "JSON array"),
        (b"[1]", "JSON array"),
        (b'[{"n":"co2","v":NaN}]', "not a SenML pack"),
        (b'[{"n":"co2","v":1e999}]', "'v' has to be a number"),
        (b'[{"n":"co2","v":true}]', "'v' has to be a number"),
        (b'[{"n":"co2","v":"1"}]', "'v' has to be a number"),
        (b'[{"n":1,"v":1}]', "'n' has to be a text"),
        (b'[{"v":1}]', "without a name"),
        (b'[{"n":"co2"}]', "without a value"),
        (b'[{"n":"co2","v":1,"t":5}]', "5 s in the future"),
        (b'[{"n":"co2","v":1,"t":1e18}]', "SenML time"),
        (b'[{"n":"co2","v":1,"lock_":1}]', "lock_"),
        (b'[{"bver":11,"n":"co2","v":1}]', "version over 10"),
        (json.dumps([{"n": "co2", "v": 1}] * 501).encode(), "501 records"),
    ],
)
def test_what_is_no_pack(payload: bytes, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        SENML.decode(payload, 1)


records = st.fixed_dictionaries(
    {},
    optional={
        "bn": st.text(max_size=5) | st.integers(),
        "bt": st.floats() | st.text(max_size=2),
        "bv": st.floats(),
        "n": st.sampled_from(["co2", "temperature", "a/b/c", "", ":"]) | st.none(),
        "u": st.sampled_from(["Cel", "ppm", ""]) | st.integers(),
        "v": st.floats() | st.integers() | st.booleans() | st.none(),
        "vs": st.text(max_size=2),
        "t": st.floats() | st.integers(),
        "s": st.floats(),
    },
)


@given(st.lists(records, max_size=6))
def test_no_pack_crashes_it(pack: list[dict[str, Any]]) -> None:
    try:
        readings = SENML.decode(json.dumps(pack).encode(), 1)
    except CodecError:
        return
    assert readings
    assert all(reading.values or reading.unmapped for reading in readings)


@given(st.binary(max_size=40))
def test_no_bytes_crash_it(payload: bytes) -> None:
    with pytest.raises(CodecError):
        SENML.decode(payload, 1)


def test_every_quantity_there_and_back() -> None:
    assert {q.unit for q in QUANTITIES} == UNITS.keys()
    values = {q.name: 12.5 for q in QUANTITIES} | {"soil_moisture@0.5m": 22.1}
    reading = Decoded(values=values, time_s=T, time_source="device")
    earlier = Decoded(values={"co2": 400.0}, time_s=T - 0.5, time_source="device")
    assert SENML.decode(SENML.encode([reading, earlier]), 1) == [reading, earlier]
    assert SENML.decode(SENML.encode([Decoded(values={"co2": 1.0}, age_s=5)]), 1)[0].age_s == 5


def test_it_encodes_our_quantities_and_finite_numbers_only() -> None:
    for reading in (
        Decoded(values={"smell": 1.0}),
        Decoded(values={"co2": float("inf")}),
        Decoded(values={}, unmapped={"door": True}),
    ):
        with pytest.raises(CodecError):
            SENML.encode([reading])
