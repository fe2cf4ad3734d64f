"""Bodies of requests and answers, by noun."""
