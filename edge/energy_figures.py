"""What things take: chips, boards, radios, sensors, cells, each with its source. Numbers only; energy.py reckons.

The rule: a figure is a maker's (document and table named), somebody's measurement (place named), or our assumption
(said so). mA and µA are at the cell's side of a linear regulator, which takes in what it gives out.
"""

from collections import namedtuple

# --- Chips: what the whole chip takes. 160 MHz, as MicroPython starts it. run: one core busy, radio off; wait: idle
# between two ticks, radio off; light: light sleep, same datasheets; listen, send: Wi-Fi receiving and sending.
Chip = namedtuple("Chip", ("run_ma", "wait_ma", "light_ma", "ulp_ua", "listen_ma", "send_ma"))
CHIPS = {
    # ESP32 datasheet v4: modem-sleep at 160 MHz 27 to 34 mA; ULP sensor pattern 100 µA; Wi-Fi receiving 95 to 100 mA,
    # 802.11b at 19.5 dBm 240 mA
    "esp32": Chip(34, 27, 0.8, 100, 100, 240),
    # ESP32-S3 datasheet v1.3: modem-sleep at 160 MHz, one core busy, clocks on 54.6 mA; ULP sensor pattern 22 µA;
    # 802.11b at 21 dBm 340 mA, receiving 88 mA. wait: 31.7 mA measured on a DevKitM-1 at 3.3 V (lucidar.me, "Power
    # consumption of ESP32-S3-DevKitM-1")
    "esp32s3": Chip(54.6, 31.7, 0.24, 22, 88, 340),
    # ESP32-C3 datasheet v1.4: modem-sleep at 160 MHz, clocks on 28 mA busy, 21 mA idle; 802.11b at 21 dBm 335 mA,
    # receiving 84 mA; there is no ULP, a pulse wakes the chip
    "esp32c3": Chip(28, 21, 0.13, 0, 84, 335),
}

# --- Boards: chip, and µA that the whole board takes in deep sleep with rail, radio and OLED off.
Asleep = namedtuple("Asleep", ("chip", "radio", "sleep_ua"))
BOARDS = {
    "heltec_v3": Asleep("esp32s3", "sx1262", 15),  # measured: Heltec-Aaron-Lee/WiFi_Kit_series#6 (V3, 2024-01)
    "lilygo_t3s3": Asleep("esp32s3", "sx1262", 100),  # measured 20 to 100: Xinyuan-LilyGO/LilyGo-LoRa-Series#128
    "lilygo_lora32": Asleep("esp32", "sx1276", 300),  # assumed: no measurement found
    "esp32_c3": Asleep("esp32c3", None, 1000),  # assumed: USB bridge and RGB LED stay on
    # measured 11.38 mA on a compatible board, of which the regulator takes 3.2 (en.kohacraft.com)
    "esp32_devkit": Asleep("esp32", None, 11380),
}

# --- LoRa radios at 868 MHz and +14 dBm, without the chip.
Radio = namedtuple("Radio", ("send_ma", "listen_ma"))
RADIOS = {
    # SX1261/2 datasheet rev. 2: SX1262 at +14 dBm 45 mA; LoRa 125 kHz receiving 4.6 mA with the DC-DC converter, 8.8
    # with the LDO, which is what a driver that does not choose gets. 2 mA more for the TCXO (assumed)
    "sx1262": Radio(47, 10.8),
    # SX1276 datasheet rev. 7: RFO at 13 dBm 29 mA, PA_BOOST at 17 dBm 87 mA, taken for the 14 dBm between; receiving
    # 11.5 mA
    "sx1276": Radio(87, 11.5),
}

# --- What the firmware does, in seconds. Assumed, not measured on a board: files are read from flash, not frozen.
BOOT_S = 1.0  # ROM, bootloader, MicroPython, mounting littlefs
IMPORT_S = 1.0  # some forty .mpy files
WORK_S = 0.5  # storing, encoding, encrypting
WIFI_CONNECT_S = 2.0  # channel and BSSID remembered; a first connection takes longer
TLS_S = 2.0
MQTT_S = 2.0  # CONNECT to the acknowledgement of the cloud
WIFI_SEND_SHARE = 0.1  # of the time on Wi-Fi
RX1_S = 1.0  # LoRaWAN 1.0.4: the first window opens a second after the end of the uplink, the second a second later
WINDOW_SYMBOLS = 8  # enough to find a preamble
WINDOW_MARGIN_S = 0.02  # for the clock, both sides
RX2_SF = 12

# --- Sensors: mA while measuring, seconds of it a reading, µA between while they have power, and volts. How long the
# device waits for them is in edge/sensors/chips.py.
Sensor = namedtuple("Sensor", ("active_ma", "active_s", "idle_ua", "volts"))
SENSORS = {
    "bme280": Sensor(0.7, 0.01, 0.1, 3.3),  # BST-BME280-DS002 table 1; 1x oversampling 9.3 ms
    "bme680": Sensor(0.7, 0.01, 0.15, 3.3),  # BST-BME680-DS001 table 1; gas heater off
    "sht3x": Sensor(0.6, 0.015, 0.2, 3.3),  # SHT3x-DIS datasheet table 3
    "sht4x": Sensor(0.35, 0.009, 0.08, 3.3),  # SHT4x datasheet table 3
    "scd4x": Sensor(
        27, 5, 0, 3.3
    ),  # SCD4x datasheet table 3: SCD41 single shot each 5 min 0.45 mA mean = 135 mAs a shot
    "scd30": Sensor(19, 2, 0, 3.3),  # SCD30 datasheet: 19 mA mean at 2 s; measured once a reading is our assumption
    "sps30": Sensor(55, 30, 38, 5.0),  # SPS30 datasheet: 45 to 55 mA measuring, 38 µA asleep; 30 s to a stable reading
    "pms": Sensor(100, 30, 200, 5.0),  # PMS5003 manual: at most 100 mA, 200 µA in standby, 30 s after waking
    "sds011": Sensor(70, 30, 4000, 5.0),  # SDS011 specification: 70 mA, below 4 mA asleep
    "mhz19": Sensor(60, 60, 0, 5.0),  # MH-Z19B manual: mean below 60 mA, preheating; meant for a supply that stays on
    "ds18b20": Sensor(1, 0.75, 0.75, 3.3),  # DS18B20 datasheet: 1 mA for 750 ms, 750 nA in standby
    "rain": Sensor(0, 0, 0, 3.3),  # a reed contact, closed for milliseconds
    "wind": Sensor(0, 0, 33, 3.3),  # a reed contact, closed a third of the time against 33 kΩ: 100 µA (assumed)
    "vane": Sensor(3.3, 0.02, 0, 3.3),  # 1 kΩ across the switched rail (assumed)
    "soil": Sensor(5, 0.1, 0, 3.3),  # capacitive probes: about 5 mA; on the switched rail
    "max17048": Sensor(0.023, 0, 23, 3.3),  # MAX17048 datasheet: 23 µA
    "battery": Sensor(0, 0.02, 0, 3.3),  # the board's divider while it is read
    "bh1750": Sensor(0.19, 0.18, 1, 3.3),  # BH1750FVI datasheet: at most 190 µA, 180 ms, 1 µA
    "veml7700": Sensor(0.05, 0.1, 0.5, 3.3),  # VEML7700 datasheet: 45 µA, 0.5 µA in shutdown
}
COUNTED_ASLEEP = ("wind",)  # by the ULP, where the chip has one; a rain gauge wakes the chip, which costs less
BOOST_EFFICIENCY = 0.85  # 3.7 V to 5 V (assumed)

# --- Cells: mAh when new, share usable down to -10 °C and down to what the regulator needs, share lost by itself a
# year, and the largest current in mA that the cell gives without harm.
Cell = namedtuple("Cell", ("mah", "usable", "yearly_loss", "max_ma"))
CELLS = {
    # Panasonic NCR18650B: 3,200 mAh; its curves at -10 °C, and 3.4 V left for the regulator; 2 to 3 % a month
    # (assumed 25 % a year with a protection circuit)
    "18650": Cell(3200, 0.7, 0.25, 3200),
    "18650x2": Cell(6400, 0.7, 0.25, 6400),
    # LiFePO4 18650: 1,500 mAh, 3.2 V straight to the chip; below 3 % a month
    "LiFePO4-18650": Cell(1500, 0.7, 0.25, 3000),
    # Saft LS 33600 (D): 17 Ah at 5 mA, less when cold; below 1 % a year (2 % assumed for outdoors); 250 mA
    "D-LiSOCl2": Cell(17000, 0.8, 0.02, 250),
    # Saft LS 26500 (C): 7.7 Ah; 150 mA
    "C-LiSOCl2": Cell(7700, 0.8, 0.02, 150),
}
