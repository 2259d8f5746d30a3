"""The journal: append, read, mend, find."""
