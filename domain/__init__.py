"""The rules of Reading Room: pure, synchronous, without clock, randomness or I/O."""
