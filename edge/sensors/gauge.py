"""Voltage of a cell: MAX17048, and an ADC behind a divider."""


def max17048_v(register):
    """V of VCELL: 78.125 µV a count (datasheet 19-6171, table 2)."""
    return register * 78.125e-6


def max17048_percent(register):
    """State of charge: 1/256 % a count."""
    return register / 256


def divided_v(uv, divider):
    """V at the cell of µV at the pin."""
    return uv * divider / 1000000
