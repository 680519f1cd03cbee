"""Traces of Bluetooth traffic: containers, connections, attributes, and what a protocol reads."""
