"""Stations that do not exist, sending what real ones would: real frames, real topics, real protocol."""
