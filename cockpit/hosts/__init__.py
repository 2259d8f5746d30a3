"""Hosts: SSH connections, detached jobs, tails, and copying between hosts."""
