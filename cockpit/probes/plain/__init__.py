"""Probes of everything that is neither HTTP nor mail: TCP, TLS, SSH, commands, logs and queries on the hosts."""
