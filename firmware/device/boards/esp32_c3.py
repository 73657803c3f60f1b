"""Espressif ESP32-C3-DevKitM-1 (ESP32-C3-MINI-1, 4 MB): Wi-Fi, no LoRa, no cell.

Source: espressif/esp-dev-kits `docs/en/esp32c3/esp32-c3-devkitm-1/user_guide.rst`, headers J1 and J3. GPIO8 drives
the RGB LED, GPIO20 and 21 are the USB bridge and the REPL, GPIO18 and 19 the chip's own USB. The board has no 32 kHz
crystal, so its pins 0 and 1 are free.
"""

NAME = "esp32_c3"
CHIP = "esp32c3"
FLASH_MB = 4

I2C = ((6, 7),)  # (sda, scl)
UART = ((10, 1),)  # (tx, rx)
ONEWIRE = (0,)
ADC = (3,)
PULSE = (4, 5)

RADIO = None
SPI = None
RADIO_PINS: dict[str, int] = {}
RADIO_OPTIONS: dict[str, object] = {}

SENSOR_POWER = None
BATTERY = None

RTC_CRYSTAL = False
DELIBERATE = ()
