"""How depth cameras see: noise, holes, flying pixels and faults."""
