"""Proof that a network is the same network elsewhere: blob by blob, with what else computes it."""
