"""The page in a browser: what it shows, what its buttons do, where its files lie."""
