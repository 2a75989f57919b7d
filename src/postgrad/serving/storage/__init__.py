"""Storage: the server's rows and files."""
