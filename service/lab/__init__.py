"""Lab: what tests and benches start: services, servers and clients, each as it is deployed."""
