"""The way in: listener, HTTP/1.1 connections, and the rules a request passes before it is routed."""
