"""Looking at what is to be moved: what is on an old host, how large it is, how fast it changes."""
