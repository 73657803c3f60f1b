"""A board on the technician's cable that is none: an ESP32's ROM loader and a real MicroPython on a pseudo-terminal.

`SimulatedBoard` (board.py) is what others use; `build` (image.py) makes an image that it boots. CPython on Linux.
"""
