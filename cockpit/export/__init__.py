"""Recordings as files that others can play or look at: casts, pictures, clips."""
