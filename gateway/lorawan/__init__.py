"""The built-in LoRaWAN network role: sessions, receptions, answers, and frames explained."""
