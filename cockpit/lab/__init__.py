"""The embedded lab: two hosts with SSH, web and mail, name servers and busy clients, all in Python on loopback, no root."""

from cockpit.lab.addresses import Addresses, LabError
from cockpit.lab.demo import CLIENTS, OWN_DNS
from cockpit.lab.lab import Lab

__all__ = ["CLIENTS", "OWN_DNS", "Addresses", "Lab", "LabError"]
