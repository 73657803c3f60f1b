"""Whether a board is as it should be: the check-list, its signed protocol, and listening to a board at work."""
