"""Scripts for maintainers: they make what is checked in as data."""
