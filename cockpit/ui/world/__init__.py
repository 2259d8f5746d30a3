"""What the probes see, as lines: figures for the board, rows and details for the pages of DNS and of the world's view. Pure."""
