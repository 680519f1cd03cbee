"""Formats in which readings leave the store, for other programs."""
