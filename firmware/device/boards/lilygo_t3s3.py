"""LILYGO T3-S3 V1.2 and V1.3 with SX1262: ESP32-S3FH4R2, lithium cell with charger, OLED, SD slot (neither is used).

Sources: the maker's LilyGo-LoRa-Series, `docs/en/t3_s3_sx1262/t3_s3_sx1262_hw.md` and `examples/Factory/utilities.h`
(T3_S3_V1_2_SX1262); divider, TCXO and RF switch in meshtastic/firmware `variants/esp32s3/tlora_t3s3_v1/variant.h`.
Not used, though the maker calls them free: 43 and 44, because they are UART0, on which MicroPython has a REPL that a
sensor would type into. So there is no UART here, and no ADC pin that the maker's page names as reachable.
"""

NAME = "lilygo_t3s3"
CHIP = "esp32s3"
FLASH_MB = 4

I2C = ((18, 17),)  # (sda, scl), shared with the OLED at 0x3c
UART = ()
ONEWIRE = (10,)  # QWIIC socket, once the two resistors on the maker's page are removed
ADC = ()
PULSE = (21,)  # the same

RADIO = "sx1262"
SPI = (5, 6, 3)  # (sck, mosi, miso)
RADIO_PINS = {"cs": 7, "reset": 8, "busy": 34, "dio1": 33}
RADIO_OPTIONS = {"dio2_rf_sw": True, "dio3_tcxo_millivolts": 1800}

SENSOR_POWER = None
BATTERY = (1, 2.0, 11, None)  # (pin, divider, attenuation dB, control pin or None)

RTC_CRYSTAL = False
# 3 is the maker's MISO; as a strapping pin it only chooses where JTAG comes from, and only with an eFuse burnt. 33
# and 34 are free on this chip: its PSRAM is quad, not octal.
DELIBERATE = (3, 33, 34)
