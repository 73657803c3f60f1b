"""Pulses and voltages of rain gauges, anemometers, vanes and soil probes.

Defaults are those of the widespread reed-switch sets (SparkFun SEN-15901 datasheet): 0.2794 mm a tip, 2.4 km/h at one
pulse a second, and a vane of eight reeds and resistors in sixteen combinations.
"""

from math import atan2, cos, degrees, pi, sin

MM_PER_TIP = 0.2794
M_S_PER_HZ = 2.4 / 3.6
VANE_OHM = (
    33000, 6570, 8200, 891, 1000, 688, 2200, 1410, 3900, 3140, 16000, 14120, 120000, 42120, 64900, 21880,
)  # fmt: skip
STEP_DEG = 22.5
_SHORT = 0.03  # of the supply; the lowest step is at 0.064
_OPEN = 0.15  # how far, in shares of the supply, the nearest step may be: a vane is connected or is not


def rain_mm(tips, mm_per_tip=MM_PER_TIP):
    """The running total in mm."""
    return tips * mm_per_tip


def wind_m_s(pulses, duration_ms, m_s_per_hz=M_S_PER_HZ, offset_m_s=0.0):
    """Mean speed; the offset is that of a cup's friction and counts only where it turns."""
    if pulses <= 0 or duration_ms <= 0:
        return 0.0
    return offset_m_s + pulses * 1000 / duration_ms * m_s_per_hz


def vane_deg(ratio, pull_up_ohm=10000, north_deg=0.0, linear=False):
    """Direction the wind comes from, 0 to 360, of the voltage as a share of the supply; None where no step is near."""
    if linear:
        return (ratio * 360 + north_deg) % 360 if -0.01 <= ratio <= 1.01 else None
    best, at = 2.0, 0
    for i, ohm in enumerate(VANE_OHM):
        off = abs(ratio - ohm / (ohm + pull_up_ohm))
        if off < best:
            best, at = off, i
    if best > _OPEN or not _SHORT < ratio < 0.97:
        return None
    return (at * STEP_DEG + north_deg) % 360


def mean_deg(directions):
    """Vector mean of directions; None where they cancel."""
    east = sum([sin(d * pi / 180) for d in directions])
    north = sum([cos(d * pi / 180) for d in directions])
    if abs(east) < 1e-6 and abs(north) < 1e-6:
        return None
    return degrees(atan2(east, north)) % 360


def soil_percent(mv, dry_mv, wet_mv, dry_percent=0.0, wet_percent=100.0):
    """Volumetric water content between two points of calibration, 0 to 100; None where the probe is not connected."""
    if dry_mv == wet_mv:
        raise ValueError("dry_mv and wet_mv are the same")
    share = (mv - dry_mv) / (wet_mv - dry_mv)
    if not -0.25 <= share <= 1.25:
        return None
    return min(100.0, max(0.0, dry_percent + share * (wet_percent - dry_percent)))
