"""BH1750 and VEML7700: counts to lux."""


def bh1750_lx(raw, time_register=69, half=False):
    """lx (datasheet BH1750FVI, page 7): counts / 1.2, by measurement time and mode."""
    return raw / 1.2 * 69 / time_register / (2 if half else 1)


def veml7700_lx(raw, gain, integration_ms):
    """lx (application note 84323): 0.0042 lx a count at gain 2 and 800 ms; above 100 lx its polynomial corrects."""
    lx = raw * 0.0042 * (2 / gain) * (800 / integration_ms)
    if lx > 100:
        lx = ((6.0135e-13 * lx - 9.3924e-9) * lx + 8.1488e-5) * lx * lx + 1.0023 * lx
    return lx
