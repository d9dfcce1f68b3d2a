"""Router (派单·吹哨): finds the place and the responsible unit, and keeps every case on time."""
