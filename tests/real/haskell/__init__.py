"""The stage of the migration of a whole community server: etch with all that it serves, lun, a backup host, name servers."""
