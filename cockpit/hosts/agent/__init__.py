"""What runs on a host to follow its logs: sent over the channel, in Python from 3.6 on where there is one, else POSIX sh."""
