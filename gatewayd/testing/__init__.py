"""The part of the test kit that needs radio, loop or traces. See `protocols.testing`."""
