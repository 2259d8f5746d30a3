"""Parts of a plan that say what the world is asked: from shaped values to data, with what is wrong told at its place."""
