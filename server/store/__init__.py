"""Tables, blobs, queues and indexes."""
