"""The embedded lab: hosts with SSH, web and mail, name servers and busy people, all in Python on loopback, no root."""

from cockpit.lab.addresses import Addresses, LabError
from cockpit.lab.lab import Lab
from cockpit.lab.stage import Stage
from cockpit.lab.stages import stage, stages

__all__ = ["Addresses", "Lab", "LabError", "Stage", "stage", "stages"]
