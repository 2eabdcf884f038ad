"""What each answer holds, for the description at /energy/openapi.json. Tests of the API hold each answer against it."""
