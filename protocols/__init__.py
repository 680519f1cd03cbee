"""Device protocols, free of I/O: bytes in, values and bytes out. Standard library only."""
