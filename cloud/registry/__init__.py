"""Stations, devices, deployments and API keys."""
