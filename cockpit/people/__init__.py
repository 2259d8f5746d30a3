"""Telling people: notices go through Apprise, in a process of its own that is started for one notice and ends with it."""
