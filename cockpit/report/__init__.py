"""The report of a run: its journal's records folded into facts, and three painters of them. Pure: it reads a journal and
nothing else, so that whoever has the journal can make the same report again, byte for byte."""
