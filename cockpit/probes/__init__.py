"""Probes: what the world sees of a service. They emit events and decide nothing."""
