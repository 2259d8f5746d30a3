"""Commands that the lab's hosts have in their bin folder; each file runs alone with the standard library."""
