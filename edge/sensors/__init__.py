"""From a chip's raw counts to values, one module a chip; what its driver sends and receives is in firmware/device."""
