"""Sources: whatever a user names (files, folders, archives, standard input, the hub, a database) becomes rows."""
