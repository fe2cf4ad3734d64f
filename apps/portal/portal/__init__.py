"""The web applications of the union: join, member, verify, staff. They know the services by their public APIs only."""
