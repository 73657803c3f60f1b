"""How long a cell lasts: mAh a day and years, by board, radio, interval, spreading factor and sensors.

The rule: a cycle is taken apart into what runs and for how long, and each part is shown; the figures and their
sources are in energy_figures.py. Left out: joins, downlinks, retries and backlog (a good link), and the sun. Method:
charge = current x time, one cycle an interval, deep sleep in between; a cell loses some by itself.
"""

from collections import namedtuple

from edge.energy_figures import (
    BOARDS,
    BOOST_EFFICIENCY,
    BOOT_S,
    CELLS,
    CHIPS,
    COUNTED_ASLEEP,
    IMPORT_S,
    MQTT_S,
    RADIOS,
    RX1_S,
    RX2_SF,
    SENSORS,
    TLS_S,
    WIFI_CONNECT_S,
    WIFI_SEND_SHARE,
    WINDOW_MARGIN_S,
    WINDOW_SYMBOLS,
    WORK_S,
)
from edge.lorawan.airtime import lora_us
from edge.sensors.chips import CHIPS as SENSOR_CHIPS

DAY_S = 86400
DAYS_A_YEAR = 365.25
PHY_OVERHEAD = 13  # MHDR, DevAddr, FCtrl, FCnt, FPort, MIC around a payload without MAC commands
SLEEPS = ("deep", "light", "awake")
_CELL_V = 3.7

# parts: ((name, mAh a day), …), all of mah_day; awake_s: of each cycle; peak_ma: the largest current at a time
Budget = namedtuple("Budget", ("parts", "mah_day", "awake_s", "peak_ma"))


class EnergyError(ValueError):
    """The question cannot be answered; the message says why and what is known."""


def uplink_mas(chip, radio, sf, payload_bytes):
    """Milliampere-seconds of one LoRaWAN uplink without answer, and its seconds: sending, two windows, the waits."""
    air_s = lora_us(payload_bytes + PHY_OVERHEAD, sf) / 1e6
    first_s, second_s = window_s(sf), window_s(RX2_SF)
    total_s = air_s + 2 * RX1_S + second_s
    radio_mas = air_s * radio.send_ma + (first_s + second_s) * radio.listen_ma
    return radio_mas + total_s * chip.wait_ma, total_s


def window_s(sf):
    """Seconds that a receive window without a preamble stays open."""
    return WINDOW_SYMBOLS * (1 << sf) / 125000 + WINDOW_MARGIN_S


def wifi_mas(chip):
    """Milliampere-seconds of one session over Wi-Fi, and its seconds."""
    total_s = WIFI_CONNECT_S + TLS_S + MQTT_S
    return total_s * (chip.listen_ma + WIFI_SEND_SHARE * (chip.send_ma - chip.listen_ma)), total_s


def budget(board, carrier, interval_s, sensors=(), sf=None, payload_bytes=0, sleep="deep", sleep_ua=None):
    """A Budget. `carrier` is "lorawan" (then sf and payload_bytes count) or "mqtt"; `sleep` as in the configuration.

    `sleep_ua`: what the whole board takes in deep sleep, where it was measured. Raises EnergyError.
    """
    known = _look("board", BOARDS, board)
    chip = CHIPS[known.chip]
    if carrier == "lorawan" and known.radio is None:
        raise EnergyError("%s has no LoRa radio" % board)
    if sleep not in SLEEPS:
        raise EnergyError("unknown sleep '%s': one of %s" % (sleep, ", ".join(SLEEPS)))
    if sleep == "deep" and "wind" in sensors and not chip.ulp_ua:
        raise EnergyError("%s has no ULP, each turn of the wind would wake it: take sleep 'light'" % known.chip)
    run_s = WORK_S if sleep != "deep" else BOOT_S + IMPORT_S + WORK_S
    sensing_s, sensing_mas, idle_ua, sensors_peak_ma = _sensing(sensors)
    if carrier == "lorawan":
        radio = RADIOS[known.radio]
        radio_mas, radio_s = uplink_mas(chip, radio, sf, payload_bytes)
        peak_ma = max(chip.run_ma, chip.wait_ma + radio.send_ma)
    else:
        radio_mas, radio_s = wifi_mas(chip)
        peak_ma = chip.send_ma
    awake_s = run_s + sensing_s + radio_s
    if interval_s < awake_s:
        raise EnergyError("a cycle takes %.1f s, longer than the interval of %g s" % (awake_s, interval_s))
    asleep_ua = known.sleep_ua if sleep_ua is None else sleep_ua
    if sleep == "light":
        asleep_ua += chip.light_ma * 1000
    elif sleep == "awake":
        asleep_ua += chip.wait_ma * 1000
    elif any(name in COUNTED_ASLEEP for name in sensors):
        asleep_ua += chip.ulp_ua
    cycles = DAY_S / interval_s
    parts = (
        ("between readings", asleep_ua / 1000 * DAY_S * (1 - awake_s / interval_s) / 3600),
        ("starting and working", cycles * run_s * chip.run_ma / 3600),
        ("sensors", (cycles * sensing_mas + idle_ua / 1000 * DAY_S) / 3600),
        ("waiting for sensors", cycles * sensing_s * chip.wait_ma / 3600),
        ("radio", cycles * radio_mas / 3600),
    )
    return Budget(parts, sum([mah for _, mah in parts]), awake_s, max(peak_ma, chip.wait_ma + sensors_peak_ma))


def years(mah_day, cell):
    """How long a cell lasts. Raises EnergyError."""
    known = _look("cell", CELLS, cell)
    return known.mah * known.usable / (mah_day * DAYS_A_YEAR + known.mah * known.yearly_loss)


def too_strong(budget_, cell):
    """Whether the peak is more than the cell gives without harm (it wants a capacitor, or is the wrong cell)."""
    return budget_.peak_ma > _look("cell", CELLS, cell).max_ma


def check_sensors(names):
    """Raises EnergyError for a sensor that nothing is known of."""
    for name in names:
        _look("sensor", SENSORS, name)


def _sensing(names):
    """Seconds until the slowest has measured, mAs a reading, µA between, and the largest current together."""
    seconds = mas = idle_ua = peak_ma = 0
    for name in names:
        sensor = _look("sensor", SENSORS, name)
        factor = sensor.volts / _CELL_V / BOOST_EFFICIENCY if sensor.volts > _CELL_V else 1
        seconds = max(seconds, SENSOR_CHIPS[name].warm_up_ms / 1000)
        mas += sensor.active_ma * sensor.active_s * factor
        idle_ua += sensor.idle_ua * factor
        peak_ma += sensor.active_ma * factor
    return seconds, mas, idle_ua, peak_ma


def _look(what, table, name):
    found = table.get(name)
    if found is None:
        raise EnergyError("unknown %s '%s': one of %s" % (what, name, ", ".join(sorted(table))))
    return found
