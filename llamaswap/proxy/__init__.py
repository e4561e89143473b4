"""From a parsed request to an upstream and back: resolve, lease, exchange, account."""
