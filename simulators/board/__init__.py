"""The simulated chip: MicroPython modules that stand in for those of an ESP32, and the host that keeps its memories.

`overrides/` comes first on MICROPYPATH, so firmware imports `time`, `machine` and `esp32` as on the chip. Everything
that outlives the interpreter (true time, real-time clock, RTC memory, NVS, flash) stands in files of one folder.
"""
