"""Programs that the services are compared with. Each runs in a process of its own."""
