"""Sheets of labels with LoRaWAN's QR code."""
