"""Two people at one screen: a tmux server of the run's own, who is there, who pressed the key, and who may come in.

tmux is called as a program. Nothing here imports Textual or a network library."""
