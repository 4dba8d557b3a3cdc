"""Figures of air, weather, ground, roads and vessels as pure functions of numbers, tested with published values."""
