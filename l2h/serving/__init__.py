"""Serve a helper: its folder, the server, and the device that asks it."""
