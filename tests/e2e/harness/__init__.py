"""The end-to-end harness: a real control plane, real Flux controllers and real trace backends on loopback, and what checks the program against them."""
