"""What a board is flashed with, and the one pass that puts it there."""
