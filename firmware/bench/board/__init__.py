"""A board on its cable: its loader, its prompt, what stands on it, and what the laptop keeps of it."""
