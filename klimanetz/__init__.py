"""The command line, settings and wiring: the one place that knows every part."""

__version__ = "0.1.0"
