"""The faces of the loop for other programs: HTTP, with tokens."""
