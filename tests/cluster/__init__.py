"""The demo's city on several machines, all on this one: three servers of the log, two machines that take in and show, one that judges, one that
stores, one that delivers, and one that stands by for these three."""
