"""What was received, what is missing, what was put aside: the books, in shared SQL."""
