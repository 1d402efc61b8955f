"""Faults: what becomes of a talk when something breaks, tried on real processes."""
