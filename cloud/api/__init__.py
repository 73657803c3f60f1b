"""HTTP for machines: one FastAPI application over a store and a registry, which are handed in."""
