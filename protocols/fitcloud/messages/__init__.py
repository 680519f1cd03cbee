"""What the keys carry: one module per subject, functions on the value bytes of a key."""
