"""Buses of the simulated chip."""
