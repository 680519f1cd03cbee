"""History records: one module per layout of the concatenated 05/30 stream, and their table."""
