"""Hardware that is not there at all: names and nothing behind them, to measure what the doubles take."""


def __getattr__(name):
    return 0
