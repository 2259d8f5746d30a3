"""Example plans, shipped with the package."""
