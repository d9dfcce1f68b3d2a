"""Apache Kafka for tests, the benchmark and trying it by hand."""
