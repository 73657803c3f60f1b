"""Espressif ESP32-DevKitC V4 with a WROOM-32 or WROVER module: Wi-Fi, no LoRa, no cell.

Source: arduino-esp32 documentation, `boards/ESP32-DevKitC-1`, header blocks. GPIO16 and 17 are left alone because on
a WROVER they belong to the PSRAM; GPIO1 and 3 are the USB bridge and the REPL. The board has no 32 kHz crystal, so
its pins 32 and 33 are free. GPIO34 and 35 have no pull-up.
"""

NAME = "esp32_devkit"
CHIP = "esp32"
FLASH_MB = 4

I2C = ((21, 22), (18, 19))  # (sda, scl)
UART = ((26, 25), (23, 27))  # (tx, rx)
ONEWIRE = (4, 13)
ADC = (34, 35)
PULSE = (32, 33)

RADIO = None
SPI = None
RADIO_PINS: dict[str, int] = {}
RADIO_OPTIONS: dict[str, object] = {}

SENSOR_POWER = None
BATTERY = None

RTC_CRYSTAL = False
DELIBERATE = ()
