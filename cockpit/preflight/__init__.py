"""Trying, before a night, all that its plan will need."""
