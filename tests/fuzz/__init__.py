"""Mutated files against the readers: ``python -m tests.fuzz --target prototxt``."""
