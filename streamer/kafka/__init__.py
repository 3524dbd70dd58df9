"""The log's border: Apache Kafka, and the only importer of aiokafka."""
