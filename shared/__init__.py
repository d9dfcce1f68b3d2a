"""What every service shares: events, bus, storage, web and the vocabulary of the hotline."""
