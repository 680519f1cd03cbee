"""A software radio and the peripherals on it: for the demo and the tests."""
