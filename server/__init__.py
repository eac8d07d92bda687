"""The server: settings, store, use cases, web and the processes that run them."""

VERSION = "0.1.0"
