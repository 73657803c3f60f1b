"""Pins of the simulated chip."""
