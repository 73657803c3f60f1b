"""Drivers, one module a chip, loaded by the name in the configuration."""
