"""The whole path on one machine and without a radio: `gatewayd demo`."""
