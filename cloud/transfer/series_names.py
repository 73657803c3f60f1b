"""Names of daily reference series: what a weather service says of a day, as such. Pure.

They are no quantities of ours: a day of the service begins and ends when its rules say so (00-24 UTC, 21:30-21:30 CET,
rain from 06 to 06 UTC), differently in different years, so it has a date and no place on our time axis.
"""

DAILY = {
    "tmean": "°C",
    "tmin": "°C",
    "tmax": "°C",
    "precipitation": "mm",
}
