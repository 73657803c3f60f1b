"""The small processor that runs while an ESP32 or ESP32-S3 sleeps: its words, and the program that counts contacts."""
