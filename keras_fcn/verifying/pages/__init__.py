"""Parity reports as one HTML file each, which needs no network: `write_page`, `write_summary`."""

from keras_fcn.verifying.pages.page import write_page
from keras_fcn.verifying.pages.summary import Entry, write_summary

__all__ = ["Entry", "write_page", "write_summary"]
