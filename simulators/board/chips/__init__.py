"""Chips at register level, one module each, from the makers' datasheets: `Part(truth, faults, kept, **options)`.

The rule: no conversion is shared with edge/sensors, so that an error there meets another opinion here; and what the
datasheet refuses (a command out of turn, a read before a measurement is done) is refused.
"""
