"""Protobuf's text format: prototxt with line numbers, and notes of what was not known."""
