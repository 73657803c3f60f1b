"""Decoder output to channels: the spellings of the field, the units, and what must not be guessed."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.networks.mapping import LEAVES_MAX, VALUES_MAX, Named, conversion, map_object
from gateway.networks.vendor_names import NAMES, UNITS
from schemas.channels import split
from schemas.quantities import BY_NAME, QUANTITIES


def values(decoded: dict[str, Any], **names: str) -> dict[str, float]:
    return map_object(decoded, {theirs: Named(ours) for theirs, ours in names.items()}).values


def reasons(decoded: dict[str, Any]) -> dict[str, str]:
    return {one.name: one.reason for one in map_object(decoded).unmapped}


def test_tables_name_our_quantities_and_units() -> None:
    assert set(NAMES.values()) <= set(BY_NAME)
    assert set(UNITS) <= {q.unit for q in QUANTITIES}


@pytest.mark.parametrize(
    ("decoded", "expected"),
    [
        ({"BatV": 3.3, "TempC_SHT": "21.5", "Hum_SHT": "40.1"}, {"battery": 3.3, "air_temperature": 21.5}),
        ({"temp_SOIL": "13.25", "water_SOIL_f": 13.74}, {"soil_temperature": 13.25, "soil_moisture": 13.74}),
        ({"Bat": "3.384 V", "water_SOIL": "0.00 %"}, {"battery": 3.384, "soil_moisture": 0.0}),
        ({"air": {"temperature": 3.2, "relativeHumidity": 55}}, {"air_temperature": 3.2, "relative_humidity": 55.0}),
        ({"data": [{"temperature": -4}]}, {"air_temperature": -4.0}),
        (
            {"soil_moisture_30cm": 22, "soil_moisture_60cm": 25},
            {"soil_moisture@30cm": 22.0, "soil_moisture@60cm": 25.0},
        ),
        ({"temperatureSensor": {"1": 2, "2": 4}}, {"air_temperature": 2.0, "air_temperature@ch2": 4.0}),
        ({"temperatureSensor": {"2": 4}}, {"air_temperature@ch2": 4.0}),
        ({"temperature_0": 3, "temperature_01": 4}, {"air_temperature@ch0": 3.0, "air_temperature": 4.0}),
        ({"soil_temperature": [None, 5, 6]}, {"soil_temperature@ch2": 5.0, "soil_temperature@ch3": 6.0}),
        ({"battery_voltage": {"displayName": "x", "unit": "V", "value": 3.1}}, {"battery": 3.1}),
        ({"vwc": {"unit": "m³⋅m⁻³", "value": 0.23}}, {"soil_moisture": 23.0}),
        ({"temperature": "68 °F", "windSpeed": "36 km/h"}, {"air_temperature": 20.0, "wind_speed": 10.0}),
        ({"barometric_pressure": {"value": 101325, "unit": "Pa"}}, {"air_pressure": 1013.25}),
        ({"vdd": 3612}, {"battery": 3.612}),
        ({"PM1.0": 3, "pm2_5": 5, "pm10": 9}, {"pm1": 3.0, "pm2_5": 5.0, "pm10": 9.0}),
        ({"pm1_0": 3, "pm10_0": 9}, {"pm1": 3.0, "pm10": 9.0}),
        ({"water_level": "1.25 m"}, {"water_level": 125.0}),
        ({"LAeq": 52.1, "CO2": 417}, {"sound_level": 52.1, "co2": 417.0}),
        ({"air_temperature": 71.0}, {"air_temperature": 71.0}),  # outside the range: kept, the cloud judges
    ],
)
def test_spellings(decoded: dict[str, Any], expected: dict[str, float]) -> None:
    mapped = values(decoded)
    assert {channel: mapped[channel] for channel in expected} == expected


@given(st.dictionaries(st.integers(0, 99).map(str), st.integers(-20, 40).map(float), min_size=1), st.randoms())
def test_a_probe_keeps_its_channel_when_others_are_silent(probes: dict[str, float], chance: Random) -> None:
    together = values({"soil_temperature": probes})
    assert len(together) == len(probes)
    heard = {number: value for number, value in probes.items() if chance.random() < 0.5}
    assert values({"soil_temperature": heard}).items() <= together.items()


@pytest.mark.parametrize(
    ("decoded", "reason"),
    [
        ({"temp_DS18B20": "0.00"}, "no quantity"),  # an external probe: what it measures only the operator knows
        ({"conduct_SOIL": 35.0}, "no quantity"),
        ({"battery": 100}, "volts or per cent"),
        ({"battery": 12.5}, "volts or per cent"),
        ({"battery": "80 %"}, "cannot be turned into V"),
        ({"temperature": 327.67}, "no probe"),
        ({"soil_temperature": "-327.68"}, "no probe"),
        ({"cpu": {"temperature": 60}}, "no quantity"),
        ({"water_level": 125}, "no unit"),
        ({"no2": 12}, "no unit"),
        ({"soil_moisture": "35 kPa"}, "kPa cannot be turned into %"),
        ({"temperature": True}, "not a number"),
        ({"temperature": "n/a"}, "not a number"),
        ({"temperature": "3.2.1"}, "not a number"),
        ({"temperature": "1e999"}, "no number that a sensor can mean"),
        ({"temperature": float("nan")}, "no number that a sensor can mean"),
    ],
)
def test_nothing_is_guessed_and_nothing_is_lost(decoded: dict[str, Any], reason: str) -> None:
    mapped = map_object(decoded)
    assert mapped.values == {}
    (one,) = mapped.unmapped
    assert reason in one.reason


def test_a_soil_probe_calls_its_temperature_just_temperature() -> None:
    assert reasons({"moisture": 22, "temperature": 14}) == {"temperature": "air or soil? this device has a soil probe"}
    named = {"moisture": 22, "temperature": 14, "soil_temperature": 9}
    assert values(named) == {"soil_moisture": 22.0, "air_temperature": 14.0, "soil_temperature": 9.0}


def test_the_second_value_of_a_channel_is_named() -> None:
    assert "another air_temperature" in reasons({"temperature": 1, "TempC_SHT": 2})["TempC_SHT"]


def test_an_operator_names_and_ignores() -> None:
    mapped = map_object({"probe": {"t": "4.5"}, "x": 1}, {"probe.t": Named("water_temperature@inlet"), "x": Named("")})
    assert mapped.values == {"water_temperature@inlet": 4.5}
    assert mapped.unmapped == ()
    (wrong,) = map_object({"x": 1}, {"x": Named("warmth")}).unmapped
    assert wrong.reason == "unknown quantity 'warmth'"
    assert values({"x": 1}, x="co2@ch2") == {"co2@ch2": 1.0}


def test_an_operator_says_the_unit_where_the_decoder_writes_none() -> None:
    level = {"water_level": Named("water_level", "mm")}
    assert map_object({"water_level": 1250}, level).values == {"water_level": 125.0}
    assert map_object({"water_level": "2 m"}, level).values == {"water_level": 200.0}  # written beside the value


def test_what_stands_beside_a_value_is_named() -> None:
    decoded = {"battery_voltage": {"value": 3.1, "unit": "V", "displayName": "Battery", "min": 2.9}}
    assert values(decoded) == {"battery": 3.1}
    assert list(reasons(decoded)) == ["battery_voltage.min"]


def test_what_is_too_much_is_named() -> None:
    mapped = map_object({"soil_temperature": list(range(1, LEAVES_MAX + 6))})
    assert len(mapped.values) == VALUES_MAX
    assert len(mapped.values) + len(mapped.unmapped) == LEAVES_MAX + 5
    assert {one.reason for one in mapped.unmapped} == {"too many values"}


def test_units_as_people_write_them() -> None:
    assert conversion("m³⋅m⁻³", "%") == (100, 0)
    assert conversion("K", "°C") == (1, -273.15)
    assert conversion("1", "1") == (1, 0)
    assert conversion("%", "V") is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["3.3 V", "21 °C"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(sorted(NAMES)), inner)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(NAMES)) | st.text(max_size=8), JSON, max_size=8))
def test_any_object_gives_valid_channels(decoded: dict[str, Any]) -> None:
    mapped = map_object(decoded)
    for channel, value in mapped.values.items():
        split(channel)
        assert isinstance(value, float)
        assert abs(value) < 1e21
