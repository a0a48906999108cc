"""Order, retries and visibility, by Prefect; what is done stands in `components`."""
