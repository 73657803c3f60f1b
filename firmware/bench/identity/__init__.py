"""Which device a board is: keys, rows, the registry over the API or on a trip, and other networks' imports."""
