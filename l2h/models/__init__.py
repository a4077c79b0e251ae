"""Networks of clients, rejectors and servers."""
