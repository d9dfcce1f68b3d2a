"""吹哨: a street calls units to what it cannot do alone."""
