"""The units' queues: written last in a transaction, read by cursor, long poll and stream."""
