"""Bluetooth Low Energy as the gateway sees it."""
