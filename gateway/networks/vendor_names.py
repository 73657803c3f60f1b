"""How vendors' decoders spell what we measure, and the units they write: tables that `mapping` reads.

A name stands here without blanks, dots, dashes, underscores and capitals: `water_SOIL_f` is `watersoilf`. It stands
here only where it can mean one thing; `NEEDS_UNIT` lists those that are believed only with a unit, because makers
differ (`battery` is volts or per cent, `water_level` any length). Collected from the public device repositories of
The Things Network and ChirpStack (Decentlab, Dragino, Elsys, Milesight, SenseCAP and others) and Cayenne LPP.
"""

_SPELLINGS = {
    "air_temperature": "temperature temp airtemperature airtemp temperatureair ambienttemperature outdoortemperature"
    " temperaturesensor tempcsht tempcsht31 tempcsht20 tempsht shttemperature",
    "relative_humidity": "humidity relativehumidity airhumidity airrelativehumidity hum rh humsht humiditysensor"
    " shthumidity ambienthumidity",
    "air_pressure": "airpressure barometricpressure atmosphericpressure barometer pressure barometricpressurehpa",
    "battery": "batv batteryvoltage batvoltage vbat vbatt batteryv voltagebattery battvoltage battery bat batt",
    "co2": "co2 co2concentration co2ppm carbondioxide",
    "pm1": "pm1 pm1massconcentration",
    "pm2_5": "pm25 pm25massconcentration",
    "pm10": "pm10 pm10massconcentration",
    "no2": "no2 no2concentration",
    "o3": "o3 o3concentration ozone",
    "wind_speed": "windspeed windspeedavg windspeedaverage averagewindspeed",
    "wind_gust": "windgust windspeedgust gustspeed windspeedmax maximumwindspeed maxwindspeed",
    "wind_direction": "winddirection winddir winddirectionangle winddirectiondegrees windangle",
    "solar_irradiance": "solarirradiance solarradiation globalradiation globalirradiance irradiance",
    "illuminance": "illuminance illumination lux illlx luminosity light lightintensity illuminancesensor",
    "uv_index": "uvindex uvi",
    "globe_temperature": "globetemperature blackglobetemperature blackglobe",
    "surface_temperature": "surfacetemperature targettemperature temperaturetarget",
    "soil_temperature": "soiltemperature soiltemp tempsoil temperaturesoil tempsoilf",
    "soil_moisture": "soilmoisture watersoil watersoilf soilhumidity soilwatercontent vwc volumetricwatercontent"
    " moisture soilmoisturevwc",
    "water_temperature": "watertemperature watertemp temperaturewater",
    "water_level": "waterlevel waterdepth",
    "sound_level": "laeq leq soundlevelleq soundlevel",
    "precipitation_total": "cumulativeprecipitation precipitationtotal raintotal totalrain rainfalltotal",
    "precipitation": "precipitation",
    "energy_total": "energytotal totalenergy",
    "heat_total": "heattotal totalheat",
    "gas_total": "gastotal totalgas",
}
NAMES = {name: quantity for quantity, names in _SPELLINGS.items() for name in names.split()}
IN_MILLIVOLT = {"batterymv", "batmv", "vdd", "batteryvoltagemv", "vbatmv"}
NEEDS_UNIT = {"waterlevel", "waterdepth", "no2", "no2concentration", "o3", "o3concentration", "ozone"}
NEEDS_UNIT |= {"energytotal", "totalenergy", "heattotal", "totalheat", "gastotal", "totalgas"}
VOLTS_OR_PERCENT = {"battery", "bat", "batt"}
AIR_OR_SOIL = {"temperature", "temp"}  # of a soil probe, unless it names its soil temperature
SOIL = {name for name, quantity in NAMES.items() if quantity == "soil_moisture"}

NO_PROBE = {327.67, 327.7, 327.6, -327.68, -327.7, 3276.7, -3276.8}  # 7FFF or 8000 hex in tenths or hundredths

# What values are only grouped under; any other parent is part of the name.
GROUPS = {"data", "decoded", "measurement", "measurements", "messages", "object", "payload", "readings", "sensors"}
GROUPS |= {"telemetry", "values"}

Conversion = tuple[float, float]  # ours = theirs * factor + offset


def _units(text: str) -> dict[str, Conversion]:
    """`unit` for our own, `unit:factor` for one to be converted."""
    pairs = (word.partition(":") for word in text.split())
    return {unit: (float(factor or 1), 0.0) for unit, _, factor in pairs}


# unit of ours -> unit as written (lower case, without blanks, dots and carets) -> conversion
UNITS: dict[str, dict[str, Conversion]] = {
    "°C": _units("°c c ℃ degc celsius cel") | {"°f": (5 / 9, -160 / 9), "f": (5 / 9, -160 / 9), "k": (1, -273.15)},
    "%": _units("% %rh rh percent %vol vol% m3m-3:100 m3/m3:100"),
    "hPa": _units("hpa mbar mb pa:0.01 kpa:10 bar:1000"),
    "V": _units("v volt volts mv:0.001"),
    "ppm": _units("ppm ppb:0.001"),
    "µg/m³": _units("µg/m3 ug/m3 µgm-3 ugm-3 mg/m3:1000"),
    "m/s": _units("m/s ms-1 km/h:0.2777777778 kmh:0.2777777778 kn:0.5144444 mph:0.44704"),
    "°": _units("° deg degree degrees"),
    "W/m²": _units("w/m2 wm-2"),
    "lx": _units("lx lux klx:1000"),
    "cm": _units("cm m:100 mm:0.1"),
    "dB(A)": _units("db dba db(a)"),
    "mm": _units("mm l/m2 cm:10 in:25.4"),
    "kWh": _units("kwh wh:0.001 mwh:1000"),
    "m³": _units("m3 l:0.001"),
}
