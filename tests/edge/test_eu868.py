"""The region's tables against what the regulations and the specification say in figures."""

import pytest

from edge.lorawan import airtime, eu868
from edge.lorawan.frames import FrameError


def test_payload_sizes_per_data_rate() -> None:
    assert [eu868.frm_payload_max(dr) for dr in range(8)] == [51, 51, 51, 115, 242, 242, 242, 242]


def test_first_window_follows_the_offset() -> None:
    table = [[eu868.rx1_data_rate(dr, offset) for offset in range(6)] for dr in (0, 2, 5, 7)]
    assert table == [[0] * 6, [2, 1, 0, 0, 0, 0], [5, 4, 3, 2, 1, 0], [7, 6, 5, 4, 3, 2]]


@pytest.mark.parametrize(
    ("frequency_hz", "name", "permille"),
    [
        (868100000, "M", 10), (867900000, "L", 10), (864000000, "K", 1), (868800000, "N", 1), (869525000, "P", 100),
        (869850000, "R", 10),
    ],
)  # fmt: skip
def test_duty_cycle_of_a_carrier(frequency_hz: int, name: str, permille: int) -> None:
    band = eu868.sub_band(frequency_hz)
    assert (band.name, band.duty_permille) == (name, permille)
    sent = 1_482_752  # SF12, 51 bytes of payload, roughly
    silence = eu868.off_time_us(band, sent)
    assert sent * 1000 <= permille * (sent + silence + 1)


def test_gaps_between_the_bands_belong_to_nobody() -> None:
    assert [eu868.sub_band(hz) for hz in (868650000, 869300000, 869660000, 870000000, 862999999)] == [None] * 5


def test_every_default_channel_is_in_a_band() -> None:
    assert all(eu868.sub_band(hz) for hz, _, _ in eu868.DEFAULT_CHANNELS)


def test_time_on_air_of_an_empty_and_of_a_full_frame() -> None:
    assert eu868.airtime_us(13, 0) == 1155072  # 13 bytes at SF12, as every LoRa calculator says
    assert eu868.airtime_us(64, 0) == 2793472
    assert eu868.airtime_us(255, 5) == 399616
    assert airtime.lora_us(23, 7, 250000) == airtime.lora_us(23, 7) // 2
    with pytest.raises(ValueError, match="SF6"):
        airtime.lora_us(10, 13)


def test_cf_list_with_fewer_than_five_and_bad_ones() -> None:
    cf_list = eu868.build_cf_list((867100000, 0, 867500000))
    assert eu868.parse_cf_list(cf_list) == (867100000, 0, 867500000, 0, 0)
    assert eu868.parse_cf_list(b"") == ()
    for bad in ((433000000,), (867100050,), (867100000,) * 6):
        with pytest.raises(FrameError):
            eu868.build_cf_list(bad)
