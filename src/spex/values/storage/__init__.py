"""The file of a sample store: tables, masks as keys, claims, and its care."""
