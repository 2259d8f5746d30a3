"""The recipe library: POSIX shell files, shipped with the package."""
