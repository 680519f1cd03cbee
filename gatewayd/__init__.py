"""gatewayd: what your watch knows about you, on your own MQTT broker."""
