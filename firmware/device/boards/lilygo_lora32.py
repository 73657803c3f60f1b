"""LILYGO LoRa32 (T3) V1.6.1 with SX1276: ESP32-PICO-D4, lithium cell with charger, OLED, SD slot (neither is used).

Sources: the maker's LilyGo-LoRa-Series, `docs/en/t3_v161_sx1276/t3_v161_sx1276_hw.md` and
`examples/Factory/utilities.h` (T3_V1_6_SX1276: also DIO0 = 26); divider 100k/100k in meshtastic/firmware
`variants/tlora_v2_1_16/variant.h`. The maker's examples send through PA_BOOST. The maker's page names no free pin, so
none is used here but the I2C bus. Not for the variant with a TCXO, whose GPIO33 switches the TCXO.
"""

NAME = "lilygo_lora32"
CHIP = "esp32"
FLASH_MB = 4

I2C = ((21, 22),)  # (sda, scl), shared with the OLED at 0x3c
UART = ()
ONEWIRE = ()
ADC = ()
PULSE = ()

RADIO = "sx1276"
SPI = (5, 27, 19)  # (sck, mosi, miso)
RADIO_PINS = {"cs": 18, "reset": 23, "dio0": 26, "dio1": 33}
RADIO_OPTIONS = {"lora_cfg": {"tx_ant": "PA_BOOST", "output_power": 14}}

SENSOR_POWER = None
BATTERY = (35, 2.0, 11, None)  # (pin, divider, attenuation dB, control pin or None)

RTC_CRYSTAL = False
DELIBERATE = (5,)  # the maker's SCK; as a strapping pin it only times the SDIO slave, which nobody uses
