"""Cockpit: one screen from which a live server cutover is run, verified, taken back and replayed."""

__version__ = "0.1.0"
