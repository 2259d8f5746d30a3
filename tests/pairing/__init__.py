"""Two people at one screen: real tmux servers and clients on pseudo-terminals."""
