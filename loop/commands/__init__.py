"""The commands of `leyden`, a file a subject; nothing slow is imported before a command runs."""
